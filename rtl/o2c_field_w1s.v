`default_nettype none
// A command field: writing 1 gives a pulse of one cycle, reading gives 0.
//
//   pulse = data & mask, one cycle after the write
//
// Parameters (checked at elaboration)
//   W  1..32   bits
// Interface  wr_en_i with data and a mask of the strobed bits
// Latency    1 cycle
// Reset      rst_ni synchronous, active low: 0
module o2c_field_w1s #(
  parameter integer W = 1
) (
  input  wire         clk_i,
  input  wire         rst_ni,
  input  wire         wr_en_i,
  input  wire [W-1:0] data_i,
  input  wire [W-1:0] mask_i,
  output wire [W-1:0] pulse_o
);

  generate if (W < 1 || W > 32) begin : gen_bad_width
`ifdef VERILATOR
    $error("o2c_field_w1s: W must be 1..32");
`else
    o2c_field_w1s_ERROR_W_must_be_1_to_32 u_bad ();
`endif
  end endgenerate

  reg [W-1:0] pulse_q;
  always @(posedge clk_i) begin
    if (!rst_ni) pulse_q <= {W{1'b0}};
    else pulse_q <= data_i & mask_i & {W{wr_en_i}};
  end
  assign pulse_o = pulse_q;
endmodule
`default_nettype wire
