`default_nettype none
// Two-place buffer that cuts every path between the two sides of a stream: all outputs come from
// registers.
//
//   stream out = stream in, delayed by one cycle or more
//
// Parameters (checked at elaboration)
//   DATA_W  1..1024   bits carried
// Handshake   transfer iff valid && ready on either side; m_valid_o and m_data_o hold until
//             m_ready_i.
// Latency     1 cycle; throughput 1 a cycle
// Reset       rst_ni synchronous, active low: empty, ready
//
//   clk_i      _/~\_/~\_/~\_/~\_/~\_
//   s_data_i   < a >< b >< c >< c >
//   s_ready_o  ~~~~~~~~~~~\____/~~~~     b and the place behind it are taken: c waits
//   m_data_o       < a >< a >< b >< c >
//   m_ready_i  ________/~~~~~~~~~~~~
module o2c_skid #(
  parameter integer DATA_W = 8
) (
  input  wire              clk_i,
  input  wire              rst_ni,
  input  wire              s_valid_i,
  output wire              s_ready_o,
  input  wire [DATA_W-1:0] s_data_i,
  output wire              m_valid_o,
  input  wire              m_ready_i,
  output wire [DATA_W-1:0] m_data_o
);

  generate if (DATA_W < 1 || DATA_W > 1024) begin : gen_bad_width
`ifdef VERILATOR
    $error("o2c_skid: DATA_W must be 1..1024");
`else
    o2c_skid_ERROR_DATA_W_must_be_1_to_1024 u_bad ();
`endif
  end endgenerate

  reg              out_valid_q, skid_valid_q;
  reg [DATA_W-1:0] out_q, skid_q;

  assign s_ready_o = !skid_valid_q;
  assign m_valid_o = out_valid_q;
  assign m_data_o  = out_q;

  wire take = s_valid_i && s_ready_o;
  wire slot = !out_valid_q || m_ready_i;  // the output register can be loaded

  always @(posedge clk_i) begin
    if (!rst_ni) begin
      out_valid_q <= 1'b0;
      skid_valid_q <= 1'b0;
    end else if (slot) begin
      out_valid_q <= skid_valid_q || take;
      skid_valid_q <= 1'b0;
    end else begin
      skid_valid_q <= skid_valid_q || take;
    end
    if (slot) out_q <= skid_valid_q ? skid_q : s_data_i;
    if (take) skid_q <= s_data_i;
  end

`ifdef FORMAL
  // A shift register of two places is the model.
  reg [1:0]        f_count;
  reg [DATA_W-1:0] f_first, f_second;
  reg              f_started, f_held;
  reg [DATA_W-1:0] f_data;
  initial begin
    f_count = 2'd0;
    f_started = 1'b0;
    f_held = 1'b0;
  end
  wire f_push = take;
  wire f_pop  = m_valid_o && m_ready_i;
  wire [1:0] f_left = f_count - {1'b0, f_pop};
  always @(posedge clk_i) begin
    f_started <= 1'b1;
    f_held <= rst_ni && m_valid_o && !m_ready_i;
    f_data <= m_data_o;
    if (!rst_ni) begin
      f_count <= 2'd0;
    end else begin
      f_count <= f_left + {1'b0, f_push};
      if (f_pop) f_first <= f_second;
      if (f_push && f_left == 2'd0) f_first <= s_data_i;
      if (f_push && f_left == 2'd1) f_second <= s_data_i;
    end
  end
  always @* begin
    if (!f_started) assume (!rst_ni);
    if (f_started) begin
      assert (f_count <= 2'd2);
      assert (m_valid_o == (f_count != 2'd0));
      assert (s_ready_o == (f_count != 2'd2));
      if (f_count != 2'd0) assert (m_data_o == f_first);
      if (f_count == 2'd2) assert (skid_q == f_second);
      if (f_held) assert (m_valid_o && m_data_o == f_data);
    end
  end
`endif
endmodule
`default_nettype wire
