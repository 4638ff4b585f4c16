`default_nettype none
// AXI4-Stream slave to bytes: the kept bytes of each beat, lowest lane first, as many at once as are wanted.
//
//   bytes out = for each beat, for lane = 0 .. DATA_W/8-1: tdata[8*lane +: 8] if tkeep[lane]
//   m_last_o: with these bytes the packet ends, in whatever beat TLAST comes.
//
// Beats are used in chunks of LANES lanes. A register holds what is left of one, and the bytes that are offered go
// on in the one behind it where all of that one is kept, or the packet ends in it. Other chunks enter the register
// byte by byte.
//
// Parameters (checked at elaboration)
//   DATA_W  8..512, a power of two
//   LANES   bytes at once, a power of two, 1..DATA_W/8
// TKEEP    any pattern. A beat without kept bytes carries nothing but its TLAST, which then ends
//          the packet with the byte before it; a packet without any kept byte vanishes.
// Stream   s_*: AXI4-Stream, s_tready_o from a register. m_*: transfer iff valid && ready, of m_want_i bytes
//          (1..LANES), or of those up to the packet's last if these are fewer: m_keep_o says which of m_data_o are
//          bytes of the packet, from the lowest on, wanted or not. They come from registers and hold until they are
//          taken; valid and last follow from them and m_want_i, not from ready. More may be offered meanwhile.
// Latency  2 cycles; for a beat's last kept byte without TLAST, until the next beat: it is held back until it is
//          known whether it is the last.
// Speed    LANES bytes a cycle from beats that are kept as a whole, and from a packet's last beat if its null bytes
//          are behind the kept ones; where a packet's last bytes are offered beside those of the chunk before, the
//          next packet waits for a cycle. Else a byte a cycle, null or not; null bytes behind a beat's last kept one
//          cost nothing.
// Reset    rst_ni synchronous, active low: empty
//
//   clk_i      _/~\_/~\_/~\_/~\_/~\_/~\_      DATA_W = 16, LANES = 1, one packet of three bytes
//   s_tdata_i  < ba>< .c>
//   s_tkeep_i  < 11>< 01>
//   s_tlast_i  _____/~~~\_
//   m_data_o             < a >< b >< c >
//   m_last_o   ____________________/~~~\_
module o2c_axis_unpack #(
  parameter integer DATA_W = 32,
  parameter integer LANES  = 1
) (
  input  wire                         clk_i,
  input  wire                         rst_ni,
  // AXI4-Stream
  input  wire                         s_tvalid_i,
  output wire                         s_tready_o,
  input  wire            [DATA_W-1:0] s_tdata_i,
  input  wire          [DATA_W/8-1:0] s_tkeep_i,
  input  wire                         s_tlast_i,
  // Bytes
  output wire                         m_valid_o,
  input  wire                         m_ready_i,
  input  wire [$clog2(LANES+1)-1 : 0] m_want_i,
  output wire           [8*LANES-1:0] m_data_o,
  output wire             [LANES-1:0] m_keep_o,
  output wire                         m_last_o
);

  generate if (DATA_W < 8 || DATA_W > 512 || (DATA_W & (DATA_W - 1)) != 0 || LANES < 1 || LANES > DATA_W / 8
               || (LANES & (LANES - 1)) != 0) begin : gen_bad_parameter
`ifdef VERILATOR
    $error("o2c_axis_unpack: a parameter is outside its range, see the header");
`else
    o2c_axis_unpack_ERROR_a_parameter_is_outside_its_range u_bad ();
`endif
  end endgenerate

  localparam integer N      = DATA_W / 8;
  localparam integer LANE_W = (N > 1) ? $clog2(N) : 1;
  localparam integer WANT_W = $clog2(LANES + 1);
  localparam integer Step   = (LANES < N) ? LANES : 0;  // modulo N: a chunk of all lanes ends its beat
  localparam integer Within = LANES - 1;

  // The beat being taken apart.
  wire              beat_valid, beat_last, beat_done;
  wire [DATA_W-1:0] beat_data;
  wire [N-1:0]      beat_keep;
  o2c_skid #(.DATA_W(DATA_W + N + 1)) u_skid (
    .clk_i(clk_i), .rst_ni(rst_ni),
    .s_valid_i(s_tvalid_i), .s_ready_o(s_tready_o), .s_data_i({s_tlast_i, s_tkeep_i, s_tdata_i}),
    .m_valid_o(beat_valid), .m_ready_i(beat_done), .m_data_o({beat_last, beat_keep, beat_data})
  );

  // Lanes below lane_q are done; the chunk is that of lane_q. The beat is given up with its last kept lane.
  reg  [LANE_W-1:0]  lane_q;
  wire [LANE_W-1:0]  first = lane_q & ~Within[LANE_W-1:0];
  wire [N-1:0]       from  = {N{1'b1}} << lane_q;
  wire               more  = beat_valid && (|beat_keep);
  wire [8*LANES-1:0] chunk;
  wire [LANES-1:0]   chunk_keep;
  generate if (LANES < N) begin : gen_chunks
    assign chunk = beat_data[8*first +: 8*LANES];
    assign chunk_keep = beat_keep[first +: LANES];
  end else begin : gen_chunk
    assign chunk = beat_data;
    assign chunk_keep = beat_keep;
  end endgenerate
  wire chunk_last = (beat_keep & ({N{1'b1}} << first << LANES)) == {N{1'b0}};  // nothing behind the chunk is kept
  wire lane_last  = (beat_keep & (from << 1)) == {N{1'b0}};                    // nothing behind lane_q
  wire chunk_ends = chunk_last && beat_last;

  // What is left of the chunk before: kept lanes from at_q on, up to the highest unless the packet ends with them.
  reg  [8*LANES-1:0] hold_q;
  reg  [LANES-1:0]   hold_keep_q;
  reg                hold_last_q;                              // the packet ends with them
  reg  [WANT_W-1:0]  at_q;                                     // below LANES; 0 without any
  wire               hold_valid = |hold_keep_q;
  wire               load, shift;                              // the chunk as a whole, one byte of it

  wire whole;      // it can be used as a whole: all its lanes are kept, or those before the packet's end
  wire over;       // the packet ends in it, with bytes that are offered
  wire here;       // lane_q's byte is kept, where there are several in the chunk
  generate if (LANES > 1) begin : gen_lanes
    wire [LANES-1:0]  up = chunk_keep + 1'b1;
    wire [WANT_W-2:0] place = lane_q[WANT_W-2:0];
    wire [7:0]        value = chunk[8*place +: 8];
    assign whole = beat_valid
                   && (&chunk_keep || (chunk_keep[0] && (chunk_keep & up) == {LANES{1'b0}} && chunk_ends));
    assign over  = whole && chunk_ends && (chunk_keep & ({LANES{1'b1}} << at_q)) == {LANES{1'b0}};
    assign here  = chunk_keep[place];
    always @(posedge clk_i) begin
      if (load) hold_q <= chunk;
      else if (shift) hold_q <= {value, hold_q[8*LANES-1:8]};
    end
  end else begin : gen_lane
    assign whole = beat_valid && chunk_keep;
    assign over  = 1'b0;
    assign here  = 1'b0;
    always @(posedge clk_i) if (load) hold_q <= chunk;
  end endgenerate

  // What is offered. The highest lane is held back until it is known whether something follows.
  wire                held_back = !hold_last_q && !more;
  wire [LANES-1:0]    known = hold_keep_q & ({LANES{1'b1}} >> held_back);
  wire [2*LANES-1:0]  window_keep = {chunk_keep & {LANES{whole && !hold_last_q}}, known};
  wire [16*LANES-1:0] window = {chunk, hold_q};
  wire                ends = hold_last_q || over;              // the packet ends with them
  wire [LANES:0] past  = {1'b0, m_keep_o};                     // bit n: more than n
  wire [LANES:0] reach = {m_keep_o, 1'b0};                     // bit n: n or more, n > 0
  assign m_data_o  = window[8*at_q +: 8*LANES];
  assign m_keep_o  = window_keep[at_q +: LANES];
  assign m_valid_o = reach[m_want_i] || ends;
  assign m_last_o  = ends && !past[m_want_i];

  // The register goes on to the next chunk when nothing is left in it.
  wire              go      = m_valid_o && m_ready_i;
  wire [WANT_W-1:0] sum     = at_q + m_want_i;
  wire              emptied = go && (m_last_o || sum[WANT_W-1]);
  wire              spent   = go && m_last_o && !hold_last_q;  // the packet's last bytes go past the register
  assign            load    = whole && !spent && (!hold_valid || emptied);
  wire              slow    = more && !whole;
  wire              skip    = slow && !here;
  assign            shift   = slow && here && !go && !hold_keep_q[0] && !hold_last_q;
  wire              late    = beat_valid && !more && beat_last && hold_valid;
  assign beat_done = spent || (load && chunk_last) || (shift && lane_last) || (beat_valid && !more);

  wire [WANT_W-1:0] moved = go ? (m_last_o ? {WANT_W{1'b0}} : sum) : at_q - {{(WANT_W-1){1'b0}}, shift};
  wire [WANT_W-1:0] at    = moved & Within[WANT_W-1:0];
  wire [LANES-1:0]  rest  = ({LANES{load}} & chunk_keep) | ({LANES{!emptied}} & hold_keep_q);
  wire [LANES-1:0]  keep  = shift ? (rest >> 1) | ~({LANES{1'b1}} >> 1) : rest & ({LANES{1'b1}} << at);
  wire              last  = (load && chunk_ends) || (shift && lane_last && beat_last)
                            || ((hold_last_q || late) && !emptied);
  always @(posedge clk_i) begin
    if (!rst_ni) begin
      lane_q <= {LANE_W{1'b0}};
      at_q <= {WANT_W{1'b0}};
      hold_keep_q <= {LANES{1'b0}};
      hold_last_q <= 1'b0;
    end else begin
      if (beat_done) lane_q <= {LANE_W{1'b0}};
      else if (load) lane_q <= lane_q + Step[LANE_W-1:0];
      else if (shift || skip) lane_q <= lane_q + 1'b1;
      at_q <= at;
      hold_keep_q <= keep;
      hold_last_q <= last;
    end
  end

`ifdef FORMAL
  // Kept lanes of the beat that have moved on, bytes that have moved on less those sent, packets' ends likewise.
  reg [7:0] f_moved, f_open, f_ends;
  reg [7:0] f_now, f_sent, f_below, f_ones, f_held;  // of this cycle; of the beat below lane_q, of all of it, in hold_q
  reg       f_started, f_waits, f_valid, f_last, f_over;
  reg [LANES-1:0]   f_keep;
  reg [8*LANES-1:0] f_data;
  reg [WANT_W-1:0]  f_want;
  initial f_started = 1'b0;
  integer f_i;
  always @* begin
    f_now = 8'd0;
    f_sent = 8'd0;
    f_below = 8'd0;
    f_ones = 8'd0;
    f_held = 8'd0;
    for (f_i = 0; f_i < LANES; f_i = f_i + 1) begin
      f_now = f_now + {7'd0, (load || spent) && chunk_keep[f_i]};
      f_sent = f_sent + {7'd0, go && m_keep_o[f_i] && f_i < m_want_i};
      f_held = f_held + {7'd0, hold_keep_q[f_i]};
    end
    f_now = f_now + {7'd0, shift};
    for (f_i = 0; f_i < N; f_i = f_i + 1) begin
      f_below = f_below + {7'd0, beat_valid && beat_keep[f_i] && !from[f_i]};
      f_ones = f_ones + {7'd0, beat_keep[f_i]};
    end
  end
  always @(posedge clk_i) begin
    f_started <= 1'b1;
    f_waits <= rst_ni && !go;
    f_valid <= m_valid_o;
    f_last <= m_last_o;
    f_over <= ends;
    f_keep <= m_keep_o;
    f_data <= m_data_o;
    f_want <= m_want_i;
    if (!rst_ni) begin
      f_moved <= 8'd0;
      f_open <= 8'd0;
      f_ends <= 8'd0;
    end else begin
      f_moved <= beat_done ? 8'd0 : f_moved + f_now;
      f_open <= f_open + f_now - f_sent;
      f_ends <= f_ends + {7'd0, beat_done && beat_last && (f_now != 8'd0 || (hold_valid && !hold_last_q))}
                - {7'd0, go && m_last_o};
    end
  end
  always @* begin
    if (!f_started) assume (!rst_ni);
    assume (m_want_i != {WANT_W{1'b0}} && m_want_i <= LANES);
    if (f_started) begin
      // What is offered holds until it is taken; behind a packet's end nothing is added.
      for (f_i = 0; f_i < LANES; f_i = f_i + 1)
        if (f_waits && f_keep[f_i]) assert (m_keep_o[f_i] && m_data_o[8*f_i +: 8] == f_data[8*f_i +: 8]);
      if (f_waits && f_over) assert (ends && m_keep_o == f_keep);
      if (f_waits && f_valid && m_want_i == f_want) assert (m_valid_o && m_last_o == f_last);
      // From the lowest on, without gaps.
      assert (({1'b0, m_keep_o} & ({1'b0, m_keep_o} + 1'b1)) == {(LANES+1){1'b0}});
      // The register's bytes reach up to its highest lane, or the packet ends with them.
      assert (at_q < LANES && (hold_valid ? hold_keep_q[at_q] : at_q == {WANT_W{1'b0}} && !hold_last_q));
      for (f_i = 0; f_i < LANES; f_i = f_i + 1) begin
        if (f_i < at_q) assert (!hold_keep_q[f_i]);
        if (f_i > at_q && hold_keep_q[f_i]) assert (hold_keep_q[f_i-1]);
        if (f_i >= at_q && hold_valid && !hold_last_q) assert (hold_keep_q[f_i]);
      end
      // No byte appears or vanishes.
      assert (f_open == f_held);
      assert (f_moved == f_below);
      if (beat_done) assert (f_moved + f_now == f_ones);
      if (!beat_valid) assert (lane_q == {LANE_W{1'b0}});
      // Something is left of a beat, and a chunk that is used as a whole has not been begun.
      if (more) assert ((beat_keep & from) != {N{1'b0}});
      if (whole) assert (lane_q == first);
      // No end of a packet appears or vanishes, but for packets without a byte.
      assert (f_ends == {7'd0, hold_last_q});
    end
  end
`endif
endmodule
`default_nettype wire
