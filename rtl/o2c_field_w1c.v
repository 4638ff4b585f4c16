`default_nettype none
// A register field of events: hardware sets a bit, software clears it by writing 1.
//
//   q = 0, then (q & ~(data & mask, in a write)) | set
//
// An event in the cycle of its clearing stays set.
//
// Parameters (checked at elaboration)
//   W  1..32   bits
// Interface  set_i: a bit for each event, any cycle; wr_en_i with data and a mask of the strobed
//            bits
// Latency    1 cycle
// Reset      rst_ni synchronous, active low: 0
module o2c_field_w1c #(
  parameter integer W = 1
) (
  input  wire         clk_i,
  input  wire         rst_ni,
  input  wire         wr_en_i,
  input  wire [W-1:0] data_i,
  input  wire [W-1:0] mask_i,
  input  wire [W-1:0] set_i,
  output wire [W-1:0] q_o
);

  generate if (W < 1 || W > 32) begin : gen_bad_width
`ifdef VERILATOR
    $error("o2c_field_w1c: W must be 1..32");
`else
    o2c_field_w1c_ERROR_W_must_be_1_to_32 u_bad ();
`endif
  end endgenerate

  reg [W-1:0] q_q;
  always @(posedge clk_i) begin
    if (!rst_ni) q_q <= {W{1'b0}};
    else q_q <= (q_q & ~(data_i & mask_i & {W{wr_en_i}})) | set_i;
  end
  assign q_o = q_q;
endmodule
`default_nettype wire
