`default_nettype none
// Rounds an unsigned integer to 24 significant bits, nearest even: what its conversion to float32
// does.
//
//   y = x                        where x < 2^24
//   y = rne(x / 2^r) * 2^r       where x has 24 + r bits
//
// Parameters (checked at elaboration)
//   W  26..48   bits of x. y fits W bits as long as x <= 2^(W-1), the largest magnitude of a W-bit
//      signed integer.
// Combinational.
module o2c_round24 #(
  parameter integer W = 33
) (
  input  wire [W-1:0] x_i,
  output wire [W-1:0] y_o
);

  generate if (W < 26 || W > 48) begin : gen_bad_w
`ifdef VERILATOR
    $error("o2c_round24: W must be 26..48");
`else
    o2c_round24_ERROR_W_must_be_26_to_48 u_bad ();
`endif
  end endgenerate

  // r_max bits may be lost. lost[i] = 1: bit i lies below the 24 significant ones.
  localparam integer R_MAX = W - 24;
  wire [R_MAX-1:0] lost;
  genvar i;
  generate for (i = 0; i < R_MAX; i = i + 1) begin : gen_lost
    assign lost[i] = |x_i[W-1:24+i];
  end endgenerate

  // top = the highest lost bit, the guard; odd = the bit above it.
  wire [R_MAX-1:0] top   = lost & ~{1'b0, lost[R_MAX-1:1]};
  wire [R_MAX-1:0] low   = x_i[R_MAX-1:0];
  wire             guard = |(low & top);
  wire             rest  = |(low & lost & ~top);
  wire             odd   = |(x_i[R_MAX:1] & top);
  wire             up    = guard & (rest | odd);

  // Adding 2^r: the lost bits are set, so that a carry into bit 0 runs up to bit r.
  wire [W-1:0] filled = {x_i[W-1:R_MAX], low | lost};
  wire [W-1:0] sum    = filled + {{(W-1){1'b0}}, up};
  assign y_o = {sum[W-1:R_MAX], sum[R_MAX-1:0] & ~lost};
endmodule
`default_nettype wire
