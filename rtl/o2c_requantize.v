`default_nettype none
// Accumulator to int8: one multiplier, then either offset-and-shift or float32's own rounding.
//
// Offset (exact_i = 0):   q = clamp((acc * mul + off) >>> shift, lo, hi)
// Exact  (exact_i = 1):   a = |acc| rounded to 24 significant bits, nearest even
//                         p = a * mul,  k = p >> shift,  frac = p mod 2^shift
//                         n = p / 2^shift rounded as float32 does it. p is first rounded to 24
//                             significant bits, so frac is a tie when
//                             |frac - 2^(shift-1)| <= 2^(shift + bitlen(k) - 1 - 24);
//                             a tie goes to even, all else to the nearer
//                         q = clamp((acc < 0 ? -n : n) + zp, lo, hi),   zp = off_i[8:0], signed
//   so for mul < 2^24 and scale = mul * 2^-shift it equals
//                         q = clamp(rne(fl32(fl32(acc) * scale)) + zp, lo, hi)
// shift = SHIFT_BASE + shift_i in both.
// Where lo_i > hi_i there are no bounds: q is the low byte of what is clamped else (Offset only), so that
//   shift = 8 * b, mul = 1, off = 0     gives byte b of the accumulator.
//
// Parameters (checked at elaboration)
//   ACC_W       8..33   bits of the signed accumulator
//   MUL_W       1..25   bits of the unsigned multiplier; at least 24 where EXACT = 1
//   OFF_W       1..70   bits of the signed offset; at least 9 where EXACT = 1
//   SHIFT_W     1..6    bits of shift_i
//   SHIFT_BASE  0..SHIFT_MAX   constant part of every shift: a large base saves shifter levels
//   SHIFT_MAX   0..63   largest total shift, SHIFT_MAX - SHIFT_BASE < 2^SHIFT_W; the inputs must
//               not exceed it
//   EXACT       0, 1    whether exact_i is heeded; 0 leaves the second lane out
// Inputs must keep, in the exact lane,   lo_i <= hi_i   and   -128 <= zp <= 127.
// Interface   free running: a result a cycle, no valid, no stall
// Latency     6 cycles for every parameter set
// Reset       none: data path only
//
//   clk_i     _/~\_/~\_/~\_/~\_/~\_/~\_/~\_/~\_
//   acc_i..   < 0 >< 1 >< 2 >...
//   q_o                               < 0 >< 1 >     six registers in a row
module o2c_requantize #(
  parameter integer ACC_W      = 24,
  parameter integer MUL_W      = 20,
  parameter integer OFF_W      = 44,
  parameter integer SHIFT_W    = 5,
  parameter integer SHIFT_BASE = 0,
  parameter integer SHIFT_MAX  = 31,
  parameter integer EXACT      = 0
) (
  input  wire                      clk_i,
  input  wire signed [ACC_W-1:0]   acc_i,
  input  wire        [MUL_W-1:0]   mul_i,
  input  wire signed [OFF_W-1:0]   off_i,
  input  wire        [SHIFT_W-1:0] shift_i,
  input  wire                      exact_i,
  input  wire signed [7:0]         lo_i,
  input  wire signed [7:0]         hi_i,
  output wire signed [7:0]         q_o
);

  generate if (ACC_W < 8 || ACC_W > 33 || MUL_W < 1 || MUL_W > 25 || OFF_W < 1 || OFF_W > 70
               || SHIFT_W < 1 || SHIFT_W > 6 || SHIFT_BASE < 0 || SHIFT_BASE > SHIFT_MAX
               || SHIFT_MAX > 63
               || SHIFT_MAX - SHIFT_BASE >= (1 << SHIFT_W) || EXACT < 0 || EXACT > 1
               || (EXACT == 1 && (MUL_W < 24 || OFF_W < 9))) begin : gen_bad_parameter
`ifdef VERILATOR
    $error("o2c_requantize: a parameter is outside its range, see the header");
`else
    o2c_requantize_ERROR_a_parameter_is_outside_its_range u_bad ();
`endif
  end endgenerate

  // The signed factor: |acc| needs a sign bit more.
  localparam integer A_W   = ACC_W + EXACT;
  localparam integer P_W   = ((A_W + MUL_W > OFF_W) ? A_W + MUL_W : OFF_W) + 1;
  // Fraction bits kept below the binary point: float32's 24 and one for k = 0.
  localparam integer FR    = (EXACT != 0) ? 25 : 0;
  localparam integer X_W   = P_W + FR;
  localparam integer ZP_W  = 9;

  // ---- Cycles 1 to 3: operands, products, sum ---------------------------------------------------
  wire signed [A_W-1:0]   factor;
  wire signed [OFF_W-1:0] addend;
  wire signed [P_W-1:0]   p;
  // Beside them: what later stages need. Index = register stage.
  reg [SHIFT_W-1:0] shift1_q, shift2_q, shift3_q;
  reg signed [7:0]  lo1_q, lo2_q, lo3_q, lo4_q, lo5_q;
  reg signed [7:0]  hi1_q, hi2_q, hi3_q, hi4_q, hi5_q;

  always @(posedge clk_i) begin
    shift1_q <= shift_i;
    shift2_q <= shift1_q;
    shift3_q <= shift2_q;
    {lo1_q, hi1_q} <= {lo_i, hi_i};
    {lo2_q, hi2_q} <= {lo1_q, hi1_q};
    {lo3_q, hi3_q} <= {lo2_q, hi2_q};
    {lo4_q, hi4_q} <= {lo3_q, hi3_q};
    {lo5_q, hi5_q} <= {lo4_q, hi4_q};
  end

  o2c_mul_split #(.A_W(A_W), .B_W(MUL_W), .C_W(OFF_W)) u_mul (
    .clk_i(clk_i), .a_i(factor), .b_i(mul_i), .c_i(addend), .p_o(p)
  );

  // ---- Cycle 4: shift ---------------------------------------------------------------------------
  // x = p with FR fraction bits; after the shift, bits FR+7..FR are the magnitude bits of an int9
  // and FR+8 its sign. Largest step first: what can no longer reach the window is folded into
  // `over` at once and replaced by the sign.
  localparam [X_W-1:0] ONES = {X_W{1'b1}};
  wire                  sign3 = p[P_W-1];
  wire signed [X_W-1:0] x_full;
  generate if (FR > 0) begin : gen_fraction
    assign x_full = {p, {FR{1'b0}}};
  end else begin : gen_no_fraction
    assign x_full = p;
  end endgenerate

  reg signed [X_W-1:0] x;
  reg        [X_W-1:0] keep;    // bits that the remaining steps can still bring into the window
  reg                  over;    // the integer part does not fit the window
  reg                  sticky;  // a 1 was shifted out
  integer l;
  always @* begin
    x      = x_full >>> SHIFT_BASE;
    over   = 1'b0;
    sticky = |(x_full & ~(ONES << SHIFT_BASE));
    keep   = ONES;
    for (l = SHIFT_W - 1; l >= 0; l = l - 1) begin
      if (shift3_q[l]) begin
        sticky = sticky | (|(x & ~(ONES << (1 << l))));
        x      = x >>> (1 << l);
      end
      keep = ~(ONES << (FR + 7 + (1 << l)));
      over = over | (|((x ^ {X_W{sign3}}) & ~keep));
      x    = (x & keep) | ({X_W{sign3}} & ~keep);
    end
  end

  // The window, padded where p is narrower than it.
  localparam integer WIN = FR + 8;
  wire [WIN-1:0] window;
  generate if (X_W >= WIN) begin : gen_window
    assign window = x[WIN-1:0];
  end else begin : gen_window_pad
    assign window = {{(WIN - X_W){sign3}}, x};
  end endgenerate

  reg signed [8:0] v4_q;  // saturated integer part, or its low byte
  wire             wrap3 = lo3_q > hi3_q;
  always @(posedge clk_i) v4_q <= {sign3, (over & ~wrap3) ? {8{~sign3}} : window[WIN-1:FR]};

  // ---- Cycles 5 and 6: round, saturate ----------------------------------------------------------
  wire signed [9:0] s5;  // the value to be clamped
  reg  signed [7:0] q6_q;
  wire signed [9:0] lo_ext = {{2{lo5_q[7]}}, lo5_q};
  wire signed [9:0] hi_ext = {{2{hi5_q[7]}}, hi5_q};
  always @(posedge clk_i) begin
    if (lo5_q > hi5_q)    q6_q <= s5[7:0];
    else if (s5 < lo_ext) q6_q <= lo5_q;
    else if (s5 > hi_ext) q6_q <= hi5_q;
    else                  q6_q <= s5[7:0];
  end
  assign q_o = q6_q;

  generate if (EXACT != 0) begin : gen_exact
    // Before the multiplier: |acc|, rounded to 24 significant bits where it may have more.
    wire             neg0 = acc_i[ACC_W-1];
    wire [ACC_W-1:0] mag  = neg0 ? -acc_i : acc_i;
    wire [ACC_W-1:0] mag24;
    if (ACC_W <= 25) begin : gen_short
      assign mag24 = mag;
    end else begin : gen_round24
      o2c_round24 #(.W(ACC_W)) u_round (.x_i(mag), .y_o(mag24));
    end
    assign factor = exact_i ? {1'b0, mag24} : {acc_i[ACC_W-1], acc_i};
    assign addend = exact_i ? {OFF_W{1'b0}} : off_i;

    reg exact1_q, exact2_q, exact3_q, exact4_q;
    reg neg1_q, neg2_q, neg3_q, neg4_q;
    reg [ZP_W-1:0] zp1_q, zp2_q, zp3_q, zp4_q, zp5_q;
    always @(posedge clk_i) begin
      {exact4_q, exact3_q, exact2_q, exact1_q} <= {exact3_q, exact2_q, exact1_q, exact_i};
      {neg4_q, neg3_q, neg2_q, neg1_q} <= {neg3_q, neg2_q, neg1_q, neg0 & exact_i};
      zp1_q <= off_i[ZP_W-1:0] & {ZP_W{exact_i}};
      zp2_q <= zp1_q;
      zp3_q <= zp2_q;
      zp4_q <= zp3_q;
      zp5_q <= zp4_q;
    end

    // frac = f4_q and a rest below it (sticky4_q), in units of 2^-25.
    reg [FR-1:0] f4_q;
    reg          sticky4_q;
    always @(posedge clk_i) begin
      f4_q      <= window[FR-1:0];
      sticky4_q <= sticky;
    end

    // float32 can not tell frac from one half when it is within 2^L units, L = bitlen(k).
    // above: frac - 1/2 <= 2^L units;  below: 1/2 - frac <= 2^L units.
    wire [7:0] k4 = v4_q[7:0];
    wire [8:0] low_mask;  // ones at bits L-1..0
    wire [8:0] one_at_l = low_mask + 9'd1;
    genvar b;
    for (b = 0; b < 8; b = b + 1) begin : gen_mask
      assign low_mask[b] = |k4[7:b];
    end
    assign low_mask[8] = 1'b0;
    wire [8:0] f_low     = f4_q[8:0];
    wire       high_zero = ~(|f4_q[FR-2:9]);
    wire       high_ones = &f4_q[FR-2:9];
    wire       above_tie = high_zero
                           & ((~(|(f_low & ~low_mask))) | ((f_low == one_at_l) & ~sticky4_q));
    wire       below_tie = high_ones & (&(f_low | low_mask));
    wire       up        = exact4_q & (f4_q[FR-1] ? ~(above_tie & ~k4[0]) : (below_tie & k4[0]));

    // +-(v + up) + zp as one addition: -(v + up) = ~v + !up.
    reg signed [8:0] x5_q;
    reg              carry5_q;
    always @(posedge clk_i) begin
      x5_q     <= v4_q ^ {9{neg4_q}};
      carry5_q <= neg4_q ^ up;
    end
    wire signed [9:0] x_ext  = {x5_q[8], x5_q};
    wire signed [9:0] zp_ext = {zp5_q[ZP_W-1], zp5_q};
    wire signed [9:0] c_ext  = {9'd0, carry5_q};
    assign s5 = x_ext + zp_ext + c_ext;
  end else begin : gen_offset
    assign factor = acc_i;
    assign addend = off_i;
    reg signed [8:0] v5_q;
    always @(posedge clk_i) v5_q <= v4_q;
    assign s5 = {v5_q[8], v5_q};
    wire unused_exact = &{1'b0, exact_i, sticky};
  end endgenerate

endmodule
`default_nettype wire
