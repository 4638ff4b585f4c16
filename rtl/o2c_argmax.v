`default_nettype none
// The place of the greatest or least byte of each N bytes of a stream, and that byte where it is asked for.
//
//   y = min { k : x[k] = max x }      FLAGS[0] = 1: the last of equal ones, max { k : ... }
//                                     FLAGS[1] = 1: of the least byte
//   sent for each group: x[y] where FLAGS[2] = 1; y mod 256; y div 256 where N > 256
//
// Parameters (checked at elaboration)
//   N        1..32768   bytes of a group
//   SIGNED   0, 1       bytes are uint8, int8
//   FLAGS    0..7       see above
// Streams  s_*, m_*: transfer iff valid && ready. m_* come from registers. s_last_i, read with a group's last byte,
//          becomes m_last_o with the last byte sent for it.
// Speed    one byte a cycle, if N exceeds the bytes sent for a group; a group's last byte waits until the group
//          before has been sent. The first byte is sent in the cycle after the group's last one.
// Reset    rst_ni synchronous, active low: at a group's first byte, nothing to send.
//
//   clk_i      _/~\_/~\_/~\_/~\_/~\_      N = 2, FLAGS = 4
//   s_data_i   < 3 >< 7 >< 9 >
//   m_data_o             < 7 >< 1 >
module o2c_argmax #(
  parameter integer N      = 10,
  parameter integer SIGNED = 0,
  parameter integer FLAGS  = 0
) (
  input  wire       clk_i,
  input  wire       rst_ni,
  input  wire       s_valid_i,
  output wire       s_ready_o,
  input  wire [7:0] s_data_i,
  input  wire       s_last_i,
  output wire       m_valid_o,
  input  wire       m_ready_i,
  output wire [7:0] m_data_o,
  output wire       m_last_o
);

  generate if (N < 1 || N > 32768 || SIGNED < 0 || SIGNED > 1 || FLAGS < 0 || FLAGS > 7) begin : gen_bad_parameter
`ifdef VERILATOR
    $error("o2c_argmax: N must be 1 to 32768, SIGNED 0 or 1, FLAGS 0 to 7");
`else
    o2c_argmax_ERROR_N_must_be_1_to_32768_SIGNED_0_or_1_FLAGS_0_to_7 u_bad ();
`endif
  end endgenerate

  localparam integer Flags  = FLAGS;
  localparam integer NLast  = N - 1;
  localparam integer N_W    = (N > 1) ? $clog2(N) : 1;
  localparam integer Bytes  = ((N > 256) ? 2 : 1) + (FLAGS >> 2);
  localparam [7:0]   Turn   = ((SIGNED != 0) ? 8'h80 : 8'h00) ^ (Flags[1] ? 8'hff : 8'h00);

  // ---- The best so far --------------------------------------------------------------------------
  reg [N_W-1:0] place_q, best_place_q;
  reg [7:0]     best_q;
  reg [1:0]     left_q;      // bytes to send
  wire [7:0] key   = s_data_i ^ Turn;
  wire begins      = (place_q == {N_W{1'b0}});
  wire ends        = (place_q == NLast[N_W-1:0]);
  wire better      = begins || (key > best_q) || (Flags[0] && key == best_q);
  wire [7:0]     now       = better ? key : best_q;
  wire [N_W-1:0] now_place = better ? place_q : best_place_q;
  wire take        = s_valid_i && s_ready_o;
  assign s_ready_o = !(ends && left_q != 2'd0);

  always @(posedge clk_i) begin
    if (!rst_ni) place_q <= {N_W{1'b0}};
    else if (take) place_q <= ends ? {N_W{1'b0}} : place_q + 1'b1;
    if (take) begin
      best_q <= now;
      best_place_q <= now_place;
    end
  end

  // ---- Sending ----------------------------------------------------------------------------------
  reg [23:0] out_q;
  reg        last_q;
  wire [15:0] index = {{(16-N_W){1'b0}}, now_place};
  wire        sent  = m_valid_o && m_ready_i;
  always @(posedge clk_i) begin
    if (!rst_ni) left_q <= 2'd0;
    else if (take && ends) left_q <= Bytes[1:0];
    else if (sent) left_q <= left_q - 2'd1;
    if (take && ends) begin
      out_q <= Flags[2] ? {index, now ^ Turn} : {8'd0, index};
      last_q <= s_last_i;
    end else if (sent) begin
      out_q <= out_q >> 8;
    end
  end
  assign m_valid_o = (left_q != 2'd0);
  assign m_data_o  = out_q[7:0];
  assign m_last_o  = last_q && left_q == 2'd1;

endmodule
`default_nettype wire
