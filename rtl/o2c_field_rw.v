`default_nettype none
// A register field that software reads and writes.
//
//   q = RESET, then (q & ~mask) | (data & mask) with each write
//
// Parameters (checked at elaboration)
//   W      1..32   bits
//   RESET  value after reset, below 2^W
// Interface  wr_en_i with data and a mask of the strobed bits
// Latency    1 cycle
// Reset      rst_ni synchronous, active low: RESET
module o2c_field_rw #(
  parameter integer    W     = 1,
  parameter     [31:0] RESET = 32'd0
) (
  input  wire         clk_i,
  input  wire         rst_ni,
  input  wire         wr_en_i,
  input  wire [W-1:0] data_i,
  input  wire [W-1:0] mask_i,
  output wire [W-1:0] q_o
);

  generate if (W < 1 || W > 32) begin : gen_bad_width
`ifdef VERILATOR
    $error("o2c_field_rw: W must be 1..32");
`else
    o2c_field_rw_ERROR_W_must_be_1_to_32 u_bad ();
`endif
  end endgenerate

  reg [W-1:0] q_q;
  always @(posedge clk_i) begin
    if (!rst_ni) q_q <= RESET[W-1:0];
    else if (wr_en_i) q_q <= (q_q & ~mask_i) | (data_i & mask_i);
  end
  assign q_o = q_q;
endmodule
`default_nettype wire
