`default_nettype none
// Writes words to external memory: an AXI4 write master for one run of beats at a time. o2c_dma decides which and
// when.
//
// BUS_W        32 .. 512, power of two: bits of a beat
// ADDR_W       32 .. 64: bits of a byte address
// BURST        1 .. 256, power of two: most beats of a burst; never more than 4 KiB
// OUTSTANDING  1 .. 16: bursts without response at most
// WORD_W       1 ..: bits of a word
//
// start_i begins a run: beats at_i .. last_i from base_i on, which stay as they are until done_o; never while one is
// under way. Its words come in order: take_i, only with room_o high, says that the next one is read, and it is word_i
// two cycles later. A word is ceil(WORD_W / BUS_W) beats, the first one in its least significant bits, the top bits 0.
// done_o comes with the last response.
//
// Bursts are INCR and end where a multiple of BURST beats does (of as many as 4 KiB hold, if those are fewer), so none
// crosses 4 KiB; all strobes are 1. Data are offered from the cycle on in which their burst's address is, whether that
// is accepted or not. A response with an error pulses error_o and counts like any other.
//
// Reset: rst_ni synchronous, active low: everything, at once. clear_i (a level, high with rst_ni low too): no further
// burst begins; an address that is out is kept until it is accepted, the beats that its burst lacks are sent with any
// data, responses are awaited; drained_o says that none is missing. clear_i has to stay high until then.
//
// Cycles, with a memory that always accepts addresses and data and responds LATENCY cycles after a burst's last beat,
// and a word taken whenever room_o is high, from the cycle after start_i on. u: start_i. For bursts k of n(k) beats:
// b(k) the address is made (and is on the bus in the next cycle), e(k) the last beat goes, r(k) the response comes.
//   b(k) = max(u + 1, b(k-1) + 1, r(k-OUTSTANDING) + 1)
//   e(k) = max(b(k) + 1, e(k-1) + 1, u + 5) + n(k) - 1
//   r(k) = e(k) + LATENCY
// done_o comes in r of the last burst. Four words of store are enough for that.
//
//   clk_i             _/-\_/-\_/-\_/-\_/-\_/-\_/-\_/-\_/-\_
//   start_i           ____/---\____________________________    one word of two beats, LATENCY = 1
//   take_i            ________/---\________________________
//   m_axi_awvalid_o   ____________/---\____________________
//   m_axi_wvalid_o    ________________________/-------\____
//   m_axi_wlast_o     ____________________________/---\____
//   m_axi_bvalid_i    ________________________________/---\
//   done_o            ________________________________/---\
module o2c_store #(
  parameter integer BUS_W       = 64,
  parameter integer ADDR_W      = 64,
  parameter integer BURST       = 16,
  parameter integer OUTSTANDING = 4,
  parameter integer WORD_W      = 128,
  localparam integer OW         = 32 - $clog2(BUS_W / 8)          // bits of an offset in beats
) (
  input  wire                clk_i,
  input  wire                rst_ni,
  input  wire                clear_i,
  // A run
  input  wire                start_i,        // pulse
  input  wire [ADDR_W-1:0]   base_i,         // a multiple of 4 KiB
  input  wire [OW-1:0]       at_i,           // its first beat
  input  wire [OW-1:0]       last_i,         // its last one
  output wire                done_o,         // pulse
  output wire                drained_o,
  output reg                 error_o,        // pulse
  // Words
  output wire                room_o,
  input  wire                take_i,
  input  wire [WORD_W-1:0]   word_i,         // two cycles after take_i
  // AXI4, write channels
  output reg  [ADDR_W-1:0]   m_axi_awaddr_o,
  output reg  [7:0]          m_axi_awlen_o,
  output wire [2:0]          m_axi_awsize_o,
  output wire [1:0]          m_axi_awburst_o,
  output wire [2:0]          m_axi_awprot_o,
  output wire [3:0]          m_axi_awcache_o,
  output reg                 m_axi_awvalid_o,
  input  wire                m_axi_awready_i,
  output wire [BUS_W-1:0]    m_axi_wdata_o,
  output wire [BUS_W/8-1:0]  m_axi_wstrb_o,
  output wire                m_axi_wlast_o,
  output wire                m_axi_wvalid_o,
  input  wire                m_axi_wready_i,
  input  wire [1:0]          m_axi_bresp_i,
  input  wire                m_axi_bvalid_i,
  output wire                m_axi_bready_o
);
  generate if (BUS_W < 32 || BUS_W > 512 || (BUS_W & (BUS_W - 1)) != 0 || ADDR_W < 32 || ADDR_W > 64 || BURST < 1
               || BURST > 256 || (BURST & (BURST - 1)) != 0 || OUTSTANDING < 1 || OUTSTANDING > 16
               || WORD_W < 1) begin : gen_bad
`ifdef VERILATOR
    $error("o2c_store: BUS_W 32..512, BURST 1..256, powers of two; ADDR_W 32..64, OUTSTANDING 1..16, WORD_W from 1");
`else
    o2c_store_ERROR_parameters_see_header u_bad ();
`endif
  end endgenerate

  localparam integer BYTES  = BUS_W / 8;
  localparam integer LBYTES = $clog2(BYTES);
  localparam integer PAGE   = 4096 / BYTES;
  localparam integer BEATS  = BURST < PAGE ? BURST : PAGE;
  localparam integer BEATM  = BEATS - 1;
  localparam integer SBEATS = (WORD_W + BUS_W - 1) / BUS_W;       // beats of a word
  localparam integer SLASTI = SBEATS - 1;
  localparam integer PLW    = SBEATS > 1 ? $clog2(SBEATS) : 1;

  // ---------------------------------------------------------------- addresses
  reg             active;                    // a run is under way
  reg             asking;                    // there is a burst to ask for
  reg  [OW-1:0]   at;                        // its first beat
  reg  [4:0]      inflight;
  wire [OW-1:0]   upto = at | BEATM[OW-1:0];         // its last beat if there are enough
  wire            ends = upto == (last_i | BEATM[OW-1:0]);
  wire [7:0]      length = (ends ? last_i[7:0] : upto[7:0]) - at[7:0];
  wire            burst = asking & (!m_axi_awvalid_o | m_axi_awready_i) & (inflight != OUTSTANDING[4:0]) & !clear_i;
  wire            response = m_axi_bvalid_i & m_axi_bready_o;
  wire [31:0]     byte_at = {at, {LBYTES{1'b0}}};
  wire [ADDR_W:0] offset = {{(ADDR_W-31){1'b0}}, byte_at};
  always @(posedge clk_i) begin
    if (start_i) begin
      at     <= at_i;
      asking <= 1'b1;
    end else if (burst) begin
      at     <= (ends ? last_i : upto) + 1'b1;
      asking <= !ends;
    end
    active <= start_i | (active & !done_o);
    if (burst) begin
      m_axi_awaddr_o <= base_i + offset[ADDR_W-1:0];
      m_axi_awlen_o  <= length;
    end
    m_axi_awvalid_o <= burst | (m_axi_awvalid_o & !m_axi_awready_i);
    inflight        <= inflight + {4'd0, burst} - {4'd0, response};
    error_o         <= response & m_axi_bresp_i[1];
    if (clear_i) begin
      active <= 1'b0;
      asking <= 1'b0;
    end
    if (!rst_ni) begin
      at              <= {OW{1'b0}};
      m_axi_awvalid_o <= 1'b0;
      inflight        <= 5'd0;
      error_o         <= 1'b0;
    end
  end
  assign done_o          = active & !asking & (inflight == 5'd1) & response;
  assign drained_o       = inflight == 5'd0;
  assign m_axi_bready_o  = inflight != 5'd0;
  assign m_axi_awsize_o  = LBYTES[2:0];
  assign m_axi_awburst_o = 2'b01;
  assign m_axi_awprot_o  = 3'b000;
  assign m_axi_awcache_o = 4'b0011;

  // ---------------------------------------------------------------- words: four of them at most, read or on their way
  (* no_rw_check *) reg [WORD_W-1:0] fifo [0:3];
  reg  [1:0] coming;
  reg  [2:0] free, wptr, rptr;
  wire       pop;
  assign     room_o = free != 3'd0;
  always @(posedge clk_i) begin
    coming <= {coming[0], take_i};
    free   <= free - {2'd0, take_i} + {2'd0, pop};
    if (coming[1]) begin
      fifo[wptr[1:0]] <= word_i;
      wptr            <= wptr + 3'd1;
    end
    if (pop) rptr <= rptr + 3'd1;
    if (clear_i) begin
      coming <= 2'd0;
      free   <= 3'd4;
      wptr   <= 3'd0;
      rptr   <= 3'd0;
    end
  end

  // ---------------------------------------------------------------- beats
  reg             have;                      // of a word
  reg             flush;                     // any data will do
  reg  [OW-1:0]   beat_at;                   // the next beat; those before `at` are asked for
  reg  [PLW-1:0]  place;                     // in the word
  wire            sent = m_axi_wvalid_o & m_axi_wready_i;
  wire            word_end = sent & (place == SLASTI[PLW-1:0]);
  assign          pop = (wptr != rptr) & (!have | word_end);
  always @(posedge clk_i) begin
    have  <= pop | (have & !word_end);
    flush <= clear_i;
    if (pop) place <= {PLW{1'b0}};
    else if (sent) place <= place + 1'b1;
    if (start_i) beat_at <= at_i;
    else if (sent) beat_at <= beat_at + 1'b1;
    if (clear_i) have <= 1'b0;
    if (!rst_ni) beat_at <= {OW{1'b0}};
  end
  assign m_axi_wvalid_o = (beat_at != at) & (have | flush);
  assign m_axi_wlast_o  = (beat_at == last_i) | ((beat_at & BEATM[OW-1:0]) == BEATM[OW-1:0]);
  assign m_axi_wstrb_o  = {BYTES{1'b1}};

  reg  [SBEATS*BUS_W-1:0] word;
  wire [SBEATS*BUS_W-1:0] next;
  generate if (SBEATS * BUS_W > WORD_W) begin : gen_pad
    assign next = {{(SBEATS * BUS_W - WORD_W){1'b0}}, fifo[rptr[1:0]]};
  end else begin : gen_whole
    assign next = fifo[rptr[1:0]];
  end
  if (SBEATS > 1) begin : gen_shift
    always @(posedge clk_i) begin
      if (pop) word <= next;
      else if (sent) word <= {{BUS_W{1'b0}}, word[SBEATS*BUS_W-1:BUS_W]};
    end
  end else begin : gen_one
    always @(posedge clk_i) if (pop) word <= next;
  end endgenerate
  assign m_axi_wdata_o = word[BUS_W-1:0];

  wire unused_ok = &{1'b0, offset[ADDR_W], m_axi_bresp_i[0], wptr, rptr};
endmodule
`default_nettype wire
