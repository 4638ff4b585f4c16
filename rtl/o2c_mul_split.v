`default_nettype none
// Pipelined multiply-add of a wide signed by a wide unsigned factor, built from multipliers of at
// most 18x18 signed.
//
//   p_o = a_i * b_i + c_i        (exact: P_W bits hold every result)
//
// Each factor longer than one limb is split into an unsigned low limb of 17 bits and the rest, so
// 1, 2 or 4 products are formed. Operands, products and the sum are registered: the shape that
// MULT18X18D, DSP48 and SB_MAC16 infer.
//
// Parameters (checked at elaboration)
//   A_W  2..35  bits of the signed factor     (one limb up to 18)
//   B_W  1..34  bits of the unsigned factor   (one limb up to 17)
//   C_W  1..70  bits of the signed addend
//   P_W  derived, leave alone
// Interface   free running: one result a cycle, no valid, no stall
// Latency     3 cycles
// Reset       none: data path only
//
//   clk_i  _/~\_/~\_/~\_/~\_
//   a_i..  < 0 >< 1 >
//   p_o                < 0 >< 1 >
module o2c_mul_split #(
  parameter integer A_W = 24,
  parameter integer B_W = 20,
  parameter integer C_W = 44,
  parameter integer P_W = ((A_W + B_W > C_W) ? A_W + B_W : C_W) + 1
) (
  input  wire                  clk_i,
  input  wire signed [A_W-1:0] a_i,
  input  wire        [B_W-1:0] b_i,
  input  wire signed [C_W-1:0] c_i,
  output wire signed [P_W-1:0] p_o
);

  generate if (A_W < 2 || A_W > 35 || B_W < 1 || B_W > 34 || C_W < 1 || C_W > 70
               || P_W != ((A_W + B_W > C_W) ? A_W + B_W : C_W) + 1) begin : gen_bad_width
`ifdef VERILATOR
    $error("o2c_mul_split: A_W must be 2..35, B_W 1..34, C_W 1..70, P_W left at its default");
`else
    o2c_mul_split_ERROR_A_W_2_to_35_B_W_1_to_34_C_W_1_to_70_P_W_default u_bad ();
`endif
  end endgenerate

  localparam integer A_SPLIT = (A_W > 18) ? 1 : 0;
  localparam integer B_SPLIT = (B_W > 17) ? 1 : 0;

  // Both factors at full width, extended by hand; limbs are slices of them.
  wire signed [35:0] a_ext = {{(36 - A_W){a_i[A_W-1]}}, a_i};
  wire        [34:0] b_ext = {{(35 - B_W){1'b0}}, b_i};

  // Operand registers, limbs as 18-bit signed.
  reg signed [17:0] alo_q, blo_q;
  reg signed [C_W-1:0] c1_q, c2_q;
  always @(posedge clk_i) begin
    alo_q <= (A_SPLIT != 0) ? {1'b0, a_ext[16:0]} : a_ext[17:0];
    blo_q <= {1'b0, b_ext[16:0]};
    c1_q <= c_i;
    c2_q <= c1_q;
  end

  // Product registers, 36 bits each; a product that is not formed is a constant 0.
  reg  signed [35:0] ll_q;
  wire signed [35:0] hl, lh, hh;
  always @(posedge clk_i) ll_q <= alo_q * blo_q;

  generate
    if (A_SPLIT != 0) begin : gen_a_hi
      reg signed [17:0] ahi_q;
      reg signed [35:0] hl_q;
      always @(posedge clk_i) begin
        ahi_q <= a_ext[34:17];
        hl_q  <= ahi_q * blo_q;
      end
      assign hl = hl_q;
    end else begin : gen_a_one
      assign hl = 36'sd0;
    end

    if (B_SPLIT != 0) begin : gen_b_hi
      reg signed [17:0] bhi_q;
      reg signed [35:0] lh_q;
      always @(posedge clk_i) begin
        bhi_q <= b_ext[34:17];
        lh_q  <= alo_q * bhi_q;
      end
      assign lh = lh_q;
    end else begin : gen_b_one
      assign lh = 36'sd0;
    end

    if (A_SPLIT != 0 && B_SPLIT != 0) begin : gen_both_hi
      reg signed [17:0] ahi_q, bhi_q;
      reg signed [35:0] hh_q;
      always @(posedge clk_i) begin
        ahi_q <= a_ext[34:17];
        bhi_q <= b_ext[34:17];
        hh_q  <= ahi_q * bhi_q;
      end
      assign hh = hh_q;
    end else begin : gen_no_hh
      assign hh = 36'sd0;
    end
  endgenerate

  // The sum: two adders in a row. Where both low limbs are unsigned, hh and ll do not overlap and
  // join for nothing. The low 17 bits are done after the first adder; using them there also keeps
  // Yosys from merging adders into a compressor tree of LUTs, as does the attribute.
  // EXT_W holds every term; the cut to P_W drops copies of the sign only.
  localparam integer EXT_W = 72;
  wire signed [EXT_W-1:0] hh_ll;
  wire signed [36:0]      mid;
  generate if (A_SPLIT != 0 && B_SPLIT != 0) begin : gen_four
    (* keep *) wire signed [36:0] hl_lh;
    assign hl_lh = {hl[35], hl} + {lh[35], lh};
    assign mid = hl_lh;
    assign hh_ll = {{2{hh[35]}}, hh, ll_q[33:0]};
    wire unused_ll = &{1'b0, ll_q[35:34]};
  end else begin : gen_fewer
    // At most one of the two is formed.
    assign mid = (A_SPLIT != 0) ? {hl[35], hl} : {lh[35], lh};
    assign hh_ll = {{36{ll_q[35]}}, ll_q};
    wire unused_hh = &{1'b0, hh, hl, lh};
  end endgenerate
  wire signed [EXT_W-1:0]  c_ext = {{(EXT_W - C_W){c2_q[C_W-1]}}, c2_q};
  wire signed [EXT_W-1:0]  part  = hh_ll + c_ext;
  wire signed [EXT_W-18:0] high  = part[EXT_W-1:17] + {{(EXT_W - 54){mid[36]}}, mid};
  wire        [EXT_W-1:0]  sum   = {high, part[16:0]};

  reg signed [P_W-1:0] p_q;
  always @(posedge clk_i) p_q <= sum[P_W-1:0];
  assign p_o = p_q;

  wire unused_ok = &{1'b0, a_ext, b_ext, sum};
endmodule
`default_nettype wire
