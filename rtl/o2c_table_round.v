`default_nettype none
// Rounds the sum of two table entries and clamps it: the end of the table unit.
//
//   q = sum >>> SHIFT                          one half is in the sum already
//   y = clamp(tie below q ? q - 1 : tie above q ? q + 1 : q, lo, hi)     where q is odd (odd_i: even); else clamp(q)
//
// A tie lies below q when the fraction f of the sum is 0. With WINDOW everything that float32 can't tell from a tie
// counts as one: f < e, or 2^SHIFT - f <= e above q, where e = 2^(SHIFT + L - 25) is half a unit in the last place
// of the tie k + 1/2 in float32, L = bitlen(k), k the tie's magnitude in the file's numbering (unsigned_i: 128
// above y's).
//
// Parameters (checked at elaboration)
//   SUM_W   SHIFT+1 .. 64  bits of the signed sum
//   SHIFT   0 .. 40        fraction bits; 0: the sum is the value, nothing is rounded
//   WINDOW  0, 1           whether ties have a width; then SHIFT is 25 at least
// Combinational.
module o2c_table_round #(
  parameter integer SUM_W  = 19,
  parameter integer SHIFT  = 8,
  parameter integer WINDOW = 0
) (
  input  wire signed [SUM_W-1:0] sum_i,
  input  wire                    odd_i,
  input  wire                    unsigned_i,
  input  wire signed [7:0]       lo_i,
  input  wire signed [7:0]       hi_i,
  output wire        [7:0]       y_o
);
  generate if (SHIFT < 0 || SHIFT > 40 || SUM_W <= SHIFT || SUM_W > 64 || WINDOW < 0 || WINDOW > 1
               || (WINDOW == 1 && SHIFT < 25)) begin : gen_bad
`ifdef VERILATOR
    $error("o2c_table_round: a parameter is outside its range, see the header");
`else
    o2c_table_round_ERROR_a_parameter_is_outside_its_range u_bad ();
`endif
  end endgenerate

  // The integer part, with room for a neighbour and for 128 more.
  localparam integer I_W = SUM_W - SHIFT;
  localparam integer Q_W = (I_W > 9 ? I_W : 9) + 1;
  wire signed [Q_W-1:0] q = {{(Q_W-I_W){sum_i[SUM_W-1]}}, sum_i[SUM_W-1:SHIFT]};
  wire signed [Q_W-1:0] lo = {{(Q_W-8){lo_i[7]}}, lo_i};
  wire signed [Q_W-1:0] hi = {{(Q_W-8){hi_i[7]}}, hi_i};
  wire steps = q[0] ^ odd_i;
  wire down, up;

  generate if (SHIFT == 0) begin : gen_integer
    assign down = 1'b0;
    assign up   = 1'b0;
    wire unused_ok = &{1'b0, steps, unsigned_i};
  end else if (WINDOW == 0) begin : gen_exact
    assign down = steps & ~(|sum_i[SHIFT-1:0]);
    assign up   = 1'b0;
    wire unused_ok = &{1'b0, unsigned_i};
  end else begin : gen_window
    wire [SHIFT-1:0] f = sum_i[SHIFT-1:0];
    wire signed [Q_W-1:0] file = q + (unsigned_i ? {{(Q_W-8){1'b0}}, 8'h80} : {Q_W{1'b0}});
    // q is odd: its magnitude is q, or ~q with the lowest bit set.
    wire             neg = file[Q_W-1];
    wire [Q_W-1:0]   mag = (file ^ {Q_W{neg}}) | {{(Q_W-1){1'b0}}, 1'b1};
    wire             one = ~(|mag[Q_W-1:1]);
    // top[l]: the magnitude has l bits, 9 or more at 9. The tie between 0 and 1 has none.
    wire [9:0] least = {|mag[Q_W-1:8], mag[7:0], 1'b0};
    wire [9:0] top, zeros, ones;
    genvar l;
    for (l = 0; l < 10; l = l + 1) begin : gen_length
      localparam integer E = SHIFT + l - 25;
      if (l == 9) begin : gen_top
        assign top[l] = least[l];
      end else begin : gen_below_top
        assign top[l] = least[l] & ~(|least[9:l+1]);
      end
      if (E >= SHIFT) begin : gen_all
        assign zeros[l] = 1'b1;
        assign ones[l]  = 1'b1;
      end else begin : gen_some
        assign zeros[l] = ~(|f[SHIFT-1:E]);
        assign ones[l]  = &f[SHIFT-1:E];
      end
    end
    wire unused_ok = &{1'b0, f};
    wire below = one & ~neg ? zeros[0] : |(top & zeros);
    wire above = one & neg ? ones[0] : |(top & ones);
    assign down = steps & below;
    assign up   = steps & above & ~below;
  end endgenerate

  // Clamped first: a step out of the bounds is not taken.
  wire [7:0] stepped = q[7:0] + (down ? 8'hff : {7'd0, up});
  assign y_o = q < lo || (q == lo && down) ? lo_i : q > hi || (q == hi && up) ? hi_i : stepped;
endmodule
`default_nettype wire
