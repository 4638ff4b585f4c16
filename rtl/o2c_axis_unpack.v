`default_nettype none
// AXI4-Stream slave to bytes: the kept bytes of each beat, lowest lane first.
//
//   bytes out = for each beat, for lane = 0 .. DATA_W/8-1: tdata[8*lane +: 8] if tkeep[lane]
//   m_last_o marks the last kept byte of a packet, in whatever beat TLAST comes.
//
// Parameters (checked at elaboration)
//   DATA_W  8..512, a power of two
// TKEEP    any pattern. A beat without kept bytes carries nothing but its TLAST, which then ends
//          the packet with the byte before it; a packet without any kept byte vanishes.
// Stream   s_*: AXI4-Stream, s_tready_o from a register. m_*: transfer iff valid && ready, valid
//          and data hold until ready and do not depend on it.
// Latency  2 cycles and, for a byte with nothing behind it in its beat and no TLAST, until the next
//          beat: a byte is held back until it is known whether it is the last.
// Speed    a byte a cycle; a null byte below a kept one costs a cycle, trailing null bytes cost
//          nothing.
// Reset    rst_ni synchronous, active low: empty
//
//   clk_i      _/~\_/~\_/~\_/~\_/~\_/~\_      DATA_W = 16, one packet of three bytes
//   s_tdata_i  < ba>< .c>
//   s_tkeep_i  < 11>< 01>
//   s_tlast_i  _____/~~~\_
//   m_data_o             < a >< b >< c >
//   m_last_o   ____________________/~~~\_
module o2c_axis_unpack #(
  parameter integer DATA_W = 32
) (
  input  wire                clk_i,
  input  wire                rst_ni,
  // AXI4-Stream
  input  wire                s_tvalid_i,
  output wire                s_tready_o,
  input  wire   [DATA_W-1:0] s_tdata_i,
  input  wire [DATA_W/8-1:0] s_tkeep_i,
  input  wire                s_tlast_i,
  // Bytes
  output wire                m_valid_o,
  input  wire                m_ready_i,
  output wire          [7:0] m_data_o,
  output wire                m_last_o
);

  generate if (DATA_W < 8 || DATA_W > 512 || (DATA_W & (DATA_W - 1)) != 0) begin : gen_bad_width
`ifdef VERILATOR
    $error("o2c_axis_unpack: DATA_W must be 8, 16, 32, 64, 128, 256 or 512");
`else
    o2c_axis_unpack_ERROR_DATA_W_must_be_a_power_of_two_8_to_512 u_bad ();
`endif
  end endgenerate

  localparam integer N      = DATA_W / 8;
  localparam integer LANE_W = (N > 1) ? $clog2(N) : 1;

  // The beat being taken apart.
  wire              beat_valid, beat_last, beat_done;
  wire [DATA_W-1:0] beat_data;
  wire [N-1:0]      beat_keep;
  o2c_skid #(.DATA_W(DATA_W + N + 1)) u_skid (
    .clk_i(clk_i), .rst_ni(rst_ni),
    .s_valid_i(s_tvalid_i), .s_ready_o(s_tready_o), .s_data_i({s_tlast_i, s_tkeep_i, s_tdata_i}),
    .m_valid_o(beat_valid), .m_ready_i(beat_done), .m_data_o({beat_last, beat_keep, beat_data})
  );

  // Lanes below lane_q are done.
  reg  [LANE_W-1:0] lane_q;
  wire [N-1:0] below  = ~({N{1'b1}} << lane_q);
  wire [N-1:0] left   = beat_keep & ~below;
  wire [N-1:0] beyond = (N > 1) ? left & ~(below << 1) & ~{{(N-1){1'b0}}, 1'b1} : {N{1'b0}};
  wire         more   = |left;
  wire         kept   = beat_keep[lane_q];
  wire   [7:0] value;
  generate if (N > 1) begin : gen_lane
    assign value = beat_data[8*lane_q +: 8];
  end else begin : gen_only
    assign value = beat_data;
  end endgenerate

  // The byte held back, and whether it is known to be the last of its packet.
  reg       hold_valid_q, hold_last_q;
  reg [7:0] hold_q;
  wire ends  = beat_valid && !more && beat_last;               // a beat that only ends the packet
  assign m_valid_o = hold_valid_q && (hold_last_q || (beat_valid && more) || ends);
  assign m_last_o  = hold_last_q || ends;
  assign m_data_o  = hold_q;

  wire sent  = m_valid_o && m_ready_i;
  wire load  = beat_valid && more && kept && (!hold_valid_q || sent);
  wire skip  = beat_valid && more && !kept;
  wire spent = beat_valid && !more && (!ends || !hold_valid_q || hold_last_q || sent);
  assign beat_done = (load && beyond == {N{1'b0}}) || spent;

  always @(posedge clk_i) begin
    if (!rst_ni) begin
      lane_q <= {LANE_W{1'b0}};
      hold_valid_q <= 1'b0;
    end else begin
      if (beat_done) lane_q <= {LANE_W{1'b0}};
      else if (load || skip) lane_q <= lane_q + 1'b1;
      hold_valid_q <= load || (hold_valid_q && !sent);
    end
    if (load) begin
      hold_q <= value;
      hold_last_q <= beat_last && beyond == {N{1'b0}};
    end
  end

`ifdef FORMAL
  reg       f_started, f_held, f_was_last;
  reg [7:0] f_data;
  reg [4:0] f_open;  // kept bytes of whole beats taken from u_skid, less bytes sent, modulo 32
  reg [3:0] f_ends;  // packet ends taken from u_skid that have a byte, less those sent, modulo 16
  initial f_ends = 4'd0;
  initial f_started = 1'b0;
  initial f_held = 1'b0;
  initial f_open = 5'd0;
  integer f_i;
  reg [4:0] f_ones;  // kept lanes of the beat that have been moved on
  always @* begin
    f_ones = 5'd0;
    for (f_i = 0; f_i < N; f_i = f_i + 1)
      f_ones = f_ones + {4'd0, beat_valid && beat_keep[f_i] && below[f_i]};
  end
  always @(posedge clk_i) begin
    f_started <= 1'b1;
    f_held <= rst_ni && m_valid_o && !m_ready_i;
    f_data <= m_data_o;
    f_was_last <= m_last_o;
    if (!rst_ni) f_open <= 5'd0;
    else f_open <= f_open + {4'd0, load} - {4'd0, sent};
    if (!rst_ni) f_ends <= 4'd0;
    else f_ends <= f_ends
                   + {3'd0, beat_done && beat_last && (load || (hold_valid_q && !hold_last_q))}
                   - {3'd0, sent && m_last_o};
  end
  always @* begin
    if (!f_started) assume (!rst_ni);
    if (f_started) begin
      // Valid and data hold until ready.
      if (f_held) assert (m_valid_o && m_data_o == f_data && m_last_o == f_was_last);
      // No byte appears or vanishes.
      assert (f_open == {4'd0, hold_valid_q});
      // No end of a packet appears or vanishes, but for packets without a byte.
      assert (f_ends == {3'd0, hold_valid_q && hold_last_q});
      // A beat is given up only when nothing is left of it, and its TLAST never without effect on a
      // byte held back.
      if (beat_done) assert (!more || (load && beyond == {N{1'b0}}));
      if (beat_done && beat_last && hold_valid_q && !hold_last_q) assert (sent || load);
      if (!beat_valid) assert (lane_q == {LANE_W{1'b0}});
      assert (f_ones <= N);
    end
  end
`endif
endmodule
`default_nettype wire
