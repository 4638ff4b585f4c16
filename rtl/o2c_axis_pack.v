`default_nettype none
// Bytes to an AXI4-Stream master: full beats, lowest lane first, TKEEP on the tail.
//
//   beat j of a packet: tdata[8*lane +: 8] = byte j*DATA_W/8 + lane, tkeep[lane] = 1 where the
//   packet has that byte; lanes without a byte are 0. TLAST on the packet's last beat.
//
// Parameters (checked at elaboration)
//   DATA_W  8..512, a power of two
// Stream   s_*: transfer iff valid && ready, s_ready_o from registers. m_*: AXI4-Stream, all
//          outputs from registers.
// Latency  2 cycles after the last byte of a beat; throughput a byte a cycle, packets of one byte
//          two in three cycles
// Reset    rst_ni synchronous, active low: empty
//
//   clk_i      _/~\_/~\_/~\_/~\_/~\_/~\_      DATA_W = 16, one packet of three bytes
//   s_data_i   < a >< b >< c >
//   s_last_i   __________/~~~\_
//   m_tdata_o                < ba>< .c>
//   m_tkeep_o                < 11>< 01>
//   m_tlast_o  ___________________/~~~\_
module o2c_axis_pack #(
  parameter integer DATA_W = 32
) (
  input  wire                clk_i,
  input  wire                rst_ni,
  // Bytes
  input  wire                s_valid_i,
  output wire                s_ready_o,
  input  wire          [7:0] s_data_i,
  input  wire                s_last_i,
  // AXI4-Stream
  output wire                m_tvalid_o,
  input  wire                m_tready_i,
  output wire   [DATA_W-1:0] m_tdata_o,
  output wire [DATA_W/8-1:0] m_tkeep_o,
  output wire                m_tlast_o
);

  generate if (DATA_W < 8 || DATA_W > 512 || (DATA_W & (DATA_W - 1)) != 0) begin : gen_bad_width
`ifdef VERILATOR
    $error("o2c_axis_pack: DATA_W must be 8, 16, 32, 64, 128, 256 or 512");
`else
    o2c_axis_pack_ERROR_DATA_W_must_be_a_power_of_two_8_to_512 u_bad ();
`endif
  end endgenerate

  localparam integer N = DATA_W / 8;

  generate if (N == 1) begin : gen_byte
    o2c_skid #(.DATA_W(9)) u_skid (
      .clk_i(clk_i), .rst_ni(rst_ni),
      .s_valid_i(s_valid_i), .s_ready_o(s_ready_o), .s_data_i({s_last_i, s_data_i}),
      .m_valid_o(m_tvalid_o), .m_ready_i(m_tready_i), .m_data_o({m_tlast_o, m_tdata_o})
    );
    assign m_tkeep_o = 1'b1;
  end else begin : gen_beat
    // The beat being filled; keep_q marks its bytes.
    reg [DATA_W-1:0] fill_q;
    reg [N-1:0]      keep_q;
    reg              done_q, last_q;
    // The beat being offered.
    reg              out_valid_q, out_last_q;
    reg [DATA_W-1:0] out_q;
    reg [N-1:0]      out_keep_q;

    assign s_ready_o = !done_q || !out_valid_q;
    wire take  = s_valid_i && s_ready_o;
    wire fresh = done_q || !keep_q[0];                            // the byte starts a beat
    wire [N-1:0] lane = fresh ? {{(N-1){1'b0}}, 1'b1} : (keep_q << 1) & ~keep_q;  // one-hot
    wire hand  = done_q && (!out_valid_q || m_tready_i);

    always @(posedge clk_i) begin
      if (!rst_ni) begin
        keep_q <= {N{1'b0}};
        done_q <= 1'b0;
        out_valid_q <= 1'b0;
      end else begin
        if (take) keep_q <= fresh ? lane : keep_q | lane;
        else if (hand) keep_q <= {N{1'b0}};
        done_q <= (take && (s_last_i || lane[N-1])) || (done_q && !hand);
        out_valid_q <= hand || (out_valid_q && !m_tready_i);
      end
      if (take) last_q <= s_last_i;
      if (hand) begin
        out_q <= fill_q;
        out_keep_q <= keep_q;
        out_last_q <= last_q;
      end
    end
    genvar i;
    for (i = 0; i < N; i = i + 1) begin : gen_lane
      always @(posedge clk_i) begin
        if (take && lane[i]) fill_q[8*i+7 : 8*i] <= s_data_i;
        else if (take && fresh) fill_q[8*i+7 : 8*i] <= 8'h00;
      end
    end
    assign m_tvalid_o = out_valid_q;
    assign m_tdata_o  = out_q;
    assign m_tkeep_o  = out_keep_q;
    assign m_tlast_o  = out_last_q;

`ifdef FORMAL
    reg              f_started, f_held, f_was_last;
    reg [DATA_W-1:0] f_data;
    reg [N-1:0]      f_keep;
    reg [7:0]        f_bytes;  // bytes taken, less bytes sent, modulo 256
    reg [3:0]        f_ends;   // packet ends taken, less those sent, modulo 16
    initial f_started = 1'b0;
    initial f_held = 1'b0;
    initial f_bytes = 8'd0;
    initial f_ends = 4'd0;
    integer f_i;
    reg [7:0] f_out, f_fill;
    always @* begin
      f_out = 8'd0;
      f_fill = 8'd0;
      for (f_i = 0; f_i < N; f_i = f_i + 1) begin
        f_out = f_out + {7'd0, out_keep_q[f_i]};
        f_fill = f_fill + {7'd0, keep_q[f_i]};
      end
    end
    always @(posedge clk_i) begin
      f_started <= 1'b1;
      f_held <= rst_ni && m_tvalid_o && !m_tready_i;
      f_data <= m_tdata_o;
      f_keep <= m_tkeep_o;
      f_was_last <= m_tlast_o;
      if (!rst_ni) f_bytes <= 8'd0;
      else f_bytes <= f_bytes + {7'd0, take} - ((m_tvalid_o && m_tready_i) ? f_out : 8'd0);
      if (!rst_ni) f_ends <= 4'd0;
      else f_ends <= f_ends + {3'd0, take && s_last_i}
                     - {3'd0, m_tvalid_o && m_tready_i && m_tlast_o};
    end
    always @* begin
      if (!f_started) assume (!rst_ni);
      if (f_started) begin
        // Valid and data hold until ready.
        if (f_held) begin
          assert (m_tvalid_o && m_tdata_o == f_data);
          assert (m_tkeep_o == f_keep && m_tlast_o == f_was_last);
        end
        // No byte appears or vanishes.
        assert (f_bytes == f_fill + (out_valid_q ? f_out : 8'd0));
        // No end of a packet appears or vanishes.
        assert (f_ends == {3'd0, keep_q[0] && last_q} + {3'd0, m_tvalid_o && m_tlast_o});
        // Kept bytes are the low lanes, at least one; only the tail of a packet is partial.
        assert ((keep_q & (keep_q + 1'b1)) == {N{1'b0}});
        if (done_q) assert (keep_q[0] && (keep_q[N-1] || last_q));
        if (!done_q) assert (!keep_q[N-1]);
        if (m_tvalid_o) begin
          assert ((m_tkeep_o & (m_tkeep_o + 1'b1)) == {N{1'b0}});
          assert (m_tkeep_o[0] && (m_tkeep_o[N-1] || m_tlast_o));
        end
      end
    end
`endif
  end endgenerate
endmodule
`default_nettype wire
