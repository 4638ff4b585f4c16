`default_nettype none
// The result region of the scratchpad as the output stream: o2c_egress, and the network's last operator behind it
// where there is hardware for it.
//
//   HEAD = 0   the tensor's bytes
//   HEAD = 1   o2c_argmax of each HEAD_N bytes, with FLAGS = HEAD_FLAGS
//   HEAD = 2   o2c_softmax of each HEAD_N bytes, with EXP_W, NUM_W, ZERO, MOST, INIT = HEAD_*
//
// Parameters (checked at elaboration)
//   W, AW, BASE, PIXEL_STEP, WORD_STEP, OUT_*, XOR   see o2c_egress; bytes are int8 where XOR is 0
//   HEAD      0..2      HEAD_N   1.., divides OUT_PIXELS * OUT_C
//   HEAD_*    see the units
// Region, read port, reset: see o2c_egress. empty_o rises when the region has been read: with HEAD = 0 and 1 at the
// stream's pace; with HEAD = 2 at once where two groups hold it, else at the pace of o2c_softmax.
// Stream   m_*: transfer iff valid && ready, from registers; m_last_o on the last byte of the sample's result.
module o2c_result #(
  parameter integer W          = 16,
  parameter integer AW         = 12,
  parameter integer BASE       = 0,
  parameter integer PIXEL_STEP = 1,
  parameter integer WORD_STEP  = 1,
  parameter integer OUT_PIXELS = 1,
  parameter integer OUT_C      = 10,
  parameter integer XOR        = 0,
  parameter integer HEAD       = 0,
  parameter integer HEAD_N     = 1,
  parameter integer HEAD_FLAGS = 0,
  parameter integer HEAD_EXP_W = 2,
  parameter integer HEAD_NUM_W = 2,
  parameter integer HEAD_ZERO  = 0,
  parameter integer HEAD_MOST  = 0,
  parameter         HEAD_INIT  = ""
) (
  input  wire           clk_i,
  input  wire           rst_ni,
  // Region
  input  wire           start_i,
  output wire           empty_o,
  // Scratchpad read port
  output wire           rd_valid_o,
  input  wire           rd_ready_i,
  output wire  [AW-1:0] rd_addr_o,
  input  wire           rd_data_valid_i,
  input  wire [8*W-1:0] rd_data_i,
  // Byte stream
  output wire           m_valid_o,
  input  wire           m_ready_i,
  output wire     [7:0] m_data_o,
  output wire           m_last_o
);

  generate if (HEAD < 0 || HEAD > 2 || HEAD_N < 1 || (OUT_PIXELS * OUT_C) % HEAD_N != 0) begin : gen_bad_parameter
`ifdef VERILATOR
    $error("o2c_result: HEAD must be 0 to 2, and HEAD_N divide the bytes of the result");
`else
    o2c_result_ERROR_HEAD_must_be_0_to_2_and_HEAD_N_divide_the_bytes_of_the_result u_bad ();
`endif
  end endgenerate

  localparam integer Signed = (XOR == 0) ? 1 : 0;

  wire       valid, ready, last;
  wire [7:0] data;
  o2c_egress #(
    .W(W), .AW(AW), .BASE(BASE), .PIXEL_STEP(PIXEL_STEP), .WORD_STEP(WORD_STEP),
    .OUT_PIXELS(OUT_PIXELS), .OUT_C(OUT_C), .XOR(XOR)
  ) u_egress (
    .clk_i(clk_i), .rst_ni(rst_ni), .start_i(start_i), .empty_o(empty_o),
    .rd_valid_o(rd_valid_o), .rd_ready_i(rd_ready_i), .rd_addr_o(rd_addr_o),
    .rd_data_valid_i(rd_data_valid_i), .rd_data_i(rd_data_i),
    .m_valid_o(valid), .m_ready_i(ready), .m_data_o(data), .m_last_o(last)
  );

  generate if (HEAD == 1) begin : gen_argmax
    o2c_argmax #(.N(HEAD_N), .SIGNED(Signed), .FLAGS(HEAD_FLAGS)) u_argmax (
      .clk_i(clk_i), .rst_ni(rst_ni),
      .s_valid_i(valid), .s_ready_o(ready), .s_data_i(data), .s_last_i(last),
      .m_valid_o(m_valid_o), .m_ready_i(m_ready_i), .m_data_o(m_data_o), .m_last_o(m_last_o)
    );
  end else if (HEAD == 2) begin : gen_softmax
    o2c_softmax #(
      .N(HEAD_N), .SIGNED(Signed), .EXP_W(HEAD_EXP_W), .NUM_W(HEAD_NUM_W), .ZERO(HEAD_ZERO),
      .MOST(HEAD_MOST), .INIT(HEAD_INIT)
    ) u_softmax (
      .clk_i(clk_i), .rst_ni(rst_ni),
      .s_valid_i(valid), .s_ready_o(ready), .s_data_i(data), .s_last_i(last),
      .m_valid_o(m_valid_o), .m_ready_i(m_ready_i), .m_data_o(m_data_o), .m_last_o(m_last_o)
    );
  end else begin : gen_plain
    assign m_valid_o = valid;
    assign ready     = m_ready_i;
    assign m_data_o  = data;
    assign m_last_o  = last;
  end endgenerate

endmodule
`default_nettype wire
