`default_nettype none
// Reads weights and parameters from external memory: an AXI4 read master that runs a list of commands.
//
// BUS_W        32 .. 512, power of two: bits of a beat
// ADDR_W       32 .. 64: bits of a byte address
// BURST        1 .. 256, power of two: most beats of a burst; never more than 4 KiB
// OUTSTANDING  1 .. 16: bursts under way at most
// NCMDS        1 ..: commands of a sample
// WEIGHT_W     bits of a weight word;  PARAM_W  of a parameter word
// CMD_INIT     hex file of the commands
//
// A command is a word of 128 bits:
//   [31:0]     byte offset from base_i, a multiple of BUS_W/8
//   [55:32]    first destination word
//   [63]       destination: 0 weight memory, 1 parameter memory
//   [87:64]    destination words; with 0 nothing is moved
//   [96]       a token to load_done_o at its end
//   [127:112]  step tokens that it waits for and uses up
// A destination word of N bits is ceil(N / BUS_W) beats, the first one in its least significant bits, the top bits
// unused.
// Commands run in order, for every sample again from the first one; they begin when run_i has been high once.
// step_i brings a token. At most 2^17 - 1 of them may be unused at a time.
//
// Bursts are INCR and end where a multiple of BURST beats does (of as many as 4 KiB hold, if those are fewer),
// so none crosses 4 KiB. Their addresses go out without waiting for data, those of the next command too; data
// are taken in every cycle. A response with an error pulses error_o, its data are written all the same.
//
// Reset: rst_ni synchronous, active low: everything, at once. clear_i (a level, high with rst_ni low too): no
// further burst begins, a request that is out is kept until it is accepted, what is under way is received and
// thrown away; drained_o says when it is all here. clear_i has to stay high until then. Commands begin again
// with the first one.
//
// Cycles, with a memory that always accepts, gives a burst's first beat LATENCY cycles after its request was
// accepted (or one cycle after the beat before) and one beat a cycle from there. For command i: a(i) it has
// been fetched, s(i) it starts, l(i) its data side starts, d(i) its last beat comes. For its bursts k, counted
// over all commands: b(k) the request is made (and is on the bus in the next cycle), e(k) the last beat comes;
// n(k) beats.
//   a(i) = max(a(i-1) + 1, l(i-16) + 5)
//   s(i) = max(a(i), first cycle in which the step tokens suffice, b of the last burst of i-1, s(i-1) + 1);
//          after a command without words at least l(i-1) + 1, so that data never find it at work
//   b(k) = max(s(i) + 1, b(k-1) + 1, e(k-OUTSTANDING) + 1)
//   e(k) = max(b(k) + 1 + LATENCY, e(k-1) + 1) + n(k) - 1
//   l(i) = max(s(i) + 1, d(i-1))
//   d(i) = e of its last burst; without words l(i) + 1
// A token of step_i in cycle t suffices from t + 1. The last word is written in cycle d(i) + 1; load_done_o
// comes with it and counts in o2c_sequencer from d(i) + 2.
//
//   clk_i             _/-\_/-\_/-\_/-\_/-\_/-\_/-\_/-\_/-\_
//   s(i)              < s >
//   m_axi_arvalid_o   ________/---\________________________
//   m_axi_rvalid_i    ____________________/-------\________    two beats a word
//   we_weight_o       ____________________________/---\____
//   load_done_o       ____________________________/---\____
module o2c_dma #(
  parameter integer BUS_W       = 64,
  parameter integer ADDR_W      = 64,
  parameter integer BURST       = 16,
  parameter integer OUTSTANDING = 4,
  parameter integer NCMDS       = 1,
  parameter integer WEIGHT_W    = 512,
  parameter integer PARAM_W     = 300,
  parameter         CMD_INIT    = ""
) (
  input  wire                clk_i,
  input  wire                rst_ni,
  input  wire                clear_i,
  // Control
  input  wire                run_i,
  input  wire [ADDR_W-1:0]   base_i,         // a multiple of 4 KiB, constant from run_i on
  input  wire                step_i,         // pulse: a step token
  output reg                 load_done_o,    // pulse: a load token
  output wire                drained_o,
  output reg                 settled_o,      // everything is loaded that needs no further step token
  output reg                 error_o,        // pulse
  // Memories
  output reg                 we_weight_o,
  output reg                 we_param_o,
  output reg  [23:0]         waddr_o,
  output wire [WEIGHT_W-1:0] weight_o,
  output wire [PARAM_W-1:0]  param_o,
  // AXI4, read channels
  output reg  [ADDR_W-1:0]   m_axi_araddr_o,
  output reg  [7:0]          m_axi_arlen_o,
  output wire [2:0]          m_axi_arsize_o,
  output wire [1:0]          m_axi_arburst_o,
  output wire [2:0]          m_axi_arprot_o,
  output wire [3:0]          m_axi_arcache_o,
  output reg                 m_axi_arvalid_o,
  input  wire                m_axi_arready_i,
  input  wire [BUS_W-1:0]    m_axi_rdata_i,
  input  wire [1:0]          m_axi_rresp_i,
  input  wire                m_axi_rlast_i,
  input  wire                m_axi_rvalid_i,
  output wire                m_axi_rready_o
);
  generate if (BUS_W < 32 || BUS_W > 512 || (BUS_W & (BUS_W - 1)) != 0 || ADDR_W < 32 || ADDR_W > 64 || BURST < 1
               || BURST > 256 || (BURST & (BURST - 1)) != 0 || OUTSTANDING < 1 || OUTSTANDING > 16 || NCMDS < 1
               || WEIGHT_W < 1 || PARAM_W < 1) begin : gen_bad
`ifdef VERILATOR
    $error("o2c_dma: BUS_W 32..512, BURST 1..256, powers of two; ADDR_W 32..64, OUTSTANDING 1..16, others from 1");
`else
    o2c_dma_ERROR_parameters_see_header u_bad ();
`endif
  end endgenerate

  localparam integer BYTES  = BUS_W / 8;
  localparam integer LBYTES = $clog2(BYTES);
  localparam integer PAGE   = 4096 / BYTES;
  localparam integer BEATS  = BURST < PAGE ? BURST : PAGE;
  localparam integer OW     = 32 - LBYTES;                        // bits of an offset in beats
  localparam integer WBEATS = (WEIGHT_W + BUS_W - 1) / BUS_W;     // beats of a word
  localparam integer PBEATS = (PARAM_W + BUS_W - 1) / BUS_W;
  localparam integer MOST   = WBEATS > PBEATS ? WBEATS : PBEATS;
  localparam integer DBW    = MOST > 1 ? $clog2(MOST) : 1;
  localparam integer WLASTI = WBEATS - 1;
  localparam integer PLASTI = PBEATS - 1;
  localparam integer CAW    = NCMDS > 1 ? $clog2(NCMDS) : 1;
  localparam integer CLASTI = NCMDS - 1;

  // ---------------------------------------------------------------- fetch: 16 commands ahead
  reg  [CAW-1:0] fetch_addr;
  reg  [4:0]     room;
  reg  [2:0]     fetching;
  wire [127:0]   word;
  reg  [127:0]   word_q;
  reg  [OW-1:0]  beats_q;
  reg            none_q;
  wire           fetch = room != 5'd0;
  wire           load;
  o2c_rom #(.WIDTH (128), .DEPTH (NCMDS), .INIT (CMD_INIT)) u_commands (
    .clk_i (clk_i), .addr_i (fetch_addr), .data_o (word)
  );
  // Words times beats of a word; a list whose offsets have 32 bits does not exceed OW.
  wire [OW-1:0] words = {{(OW > 24 ? OW - 24 : 1){1'b0}}, word[87:64]};
  // By additions: no multiplier is spent on it.
  function automatic [OW-1:0] times(input [OW-1:0] value, input integer factor);
    integer n;
    begin
      times = {OW{1'b0}};
      for (n = 0; n < 16; n = n + 1) if (((factor >> n) & 1) != 0) times = times + (value << n);
    end
  endfunction
  wire [OW-1:0] words_beats = word[63] ? times(words, PBEATS) : times(words, WBEATS);
  always @(posedge clk_i) begin
    fetching <= {fetching[1:0], fetch};
    room     <= room - {4'd0, fetch} + {4'd0, load};
    if (fetch) fetch_addr <= fetch_addr == CLASTI[CAW-1:0] ? {CAW{1'b0}} : fetch_addr + 1'b1;
    word_q  <= word;
    beats_q <= words_beats;
    none_q  <= word[87:64] == 24'd0;
    if (clear_i) begin
      fetching   <= 3'd0;
      room       <= 5'd16;
      fetch_addr <= {CAW{1'b0}};
    end
  end

  // One queue with two readers: the address side, and the data side behind it.
  (* no_rw_check *) reg [2*OW+16:0] issue_mem [0:15];
  (* no_rw_check *) reg [49:0]      data_mem  [0:15];
  reg  [4:0] wptr, iptr, dptr;
  wire [2*OW+16:0] issue_head = issue_mem[iptr[3:0]];
  wire [49:0]      data_head  = data_mem[dptr[3:0]];
  wire [OW-1:0]    last_beat  = word_q[31:LBYTES] + beats_q - 1'b1;
  always @(posedge clk_i) begin
    if (fetching[2]) begin
      issue_mem[wptr[3:0]] <= {none_q, word_q[127:112], last_beat, word_q[31:LBYTES]};
      data_mem[wptr[3:0]]  <= {word_q[96], word_q[63], word_q[87:64], word_q[55:32]};
      wptr                 <= wptr + 5'd1;
    end
    if (clear_i) wptr <= 5'd0;
  end

  // ---------------------------------------------------------------- addresses
  localparam integer BEATM = BEATS - 1;
  reg              armed;
  reg  [16:0]      steps;
  reg              asking;                   // there is a burst to ask for
  reg  [OW-1:0]    at, last;                 // its first beat; the command's last one
  reg  [4:0]       inflight;
  reg              empty;                    // the last command has no words
  wire [17:0]      rest = {1'b0, steps} - {2'b00, issue_head[2*OW +: 16]};
  wire [OW-1:0]    upto = at | BEATM[OW-1:0];        // a burst's last beat if there are enough
  wire             ends = upto == (last | BEATM[OW-1:0]);
  wire [7:0]       length = (ends ? last[7:0] : upto[7:0]) - at[7:0];
  wire             burst = asking & (!m_axi_arvalid_o | m_axi_arready_i)
                           & (inflight != OUTSTANDING[4:0]) & !clear_i;
  wire             begins = (iptr != wptr) & armed & !rest[17] & (!asking | (burst & ends))
                            & (!empty | (dptr == iptr));
  wire [31:0]      byte_at = {at, {LBYTES{1'b0}}};
  wire [ADDR_W:0]  offset = {{(ADDR_W-31){1'b0}}, byte_at};
  wire             beat = m_axi_rvalid_i & m_axi_rready_o;
  always @(posedge clk_i) begin
    armed <= armed | run_i;
    steps <= begins ? rest[16:0] + {16'd0, step_i} : steps + {16'd0, step_i};
    if (begins) begin
      iptr   <= iptr + 5'd1;
      at     <= issue_head[0 +: OW];
      last   <= issue_head[OW +: OW];
      asking <= !issue_head[2*OW + 16];
      empty  <= issue_head[2*OW + 16];
    end else if (burst) begin
      at     <= upto + 1'b1;
      asking <= !ends;
    end
    if (burst) begin
      m_axi_araddr_o <= base_i + offset[ADDR_W-1:0];
      m_axi_arlen_o  <= length;
    end
    m_axi_arvalid_o <= burst | (m_axi_arvalid_o & !m_axi_arready_i);
    inflight        <= inflight + {4'd0, burst} - {4'd0, beat & m_axi_rlast_i};
    if (clear_i) begin
      armed  <= 1'b0;
      steps  <= 17'd0;
      iptr   <= 5'd0;
      asking <= 1'b0;
      empty  <= 1'b0;
    end
    if (!rst_ni) begin
      m_axi_arvalid_o <= 1'b0;
      inflight        <= 5'd0;
    end
  end
  assign drained_o       = inflight == 5'd0;
  assign m_axi_rready_o  = inflight != 5'd0;
  assign m_axi_arsize_o  = LBYTES[2:0];
  assign m_axi_arburst_o = 2'b01;
  assign m_axi_arprot_o  = 3'b000;
  assign m_axi_arcache_o = 4'b0011;

  // ---------------------------------------------------------------- data
  reg              busy;                     // a command is being received
  reg              token, is_param;
  reg  [23:0]      words_left, addr;
  reg  [DBW-1:0]   place;                    // beat of the word
  wire             word_end = beat & busy & (place == (is_param ? PLASTI[DBW-1:0] : WLASTI[DBW-1:0]));
  wire             ended = busy & ((words_left == 24'd0) | (word_end & (words_left == 24'd1)));
  assign           load = (dptr != iptr) & (!busy | ended) & !clear_i;
  always @(posedge clk_i) begin
    busy <= load | (busy & !ended);
    if (load) begin
      dptr <= dptr + 5'd1;
      {token, is_param, words_left, addr} <= data_head;
    end else if (word_end) begin
      words_left <= words_left - 24'd1;
      addr       <= addr + 24'd1;
    end
    if (word_end) place <= {DBW{1'b0}};
    else if (beat) place <= place + 1'b1;
    we_weight_o <= word_end & !is_param;
    we_param_o  <= word_end & is_param;
    waddr_o     <= addr;
    load_done_o <= ended & token & !clear_i;
    error_o     <= beat & m_axi_rresp_i[1];
    if (clear_i) begin
      busy  <= 1'b0;
      dptr  <= 5'd0;
      place <= {DBW{1'b0}};
    end
    if (!rst_ni) begin
      we_weight_o <= 1'b0;
      we_param_o  <= 1'b0;
      error_o     <= 1'b0;
    end
  end

  always @(posedge clk_i) begin
    settled_o <= (iptr != wptr) & rest[17] & !asking & !m_axi_arvalid_o & (inflight == 5'd0) & (dptr == iptr)
                 & !busy & !clear_i;
  end

  // Beats come in at the top and move down; a short word ends up in the top beats.
  reg  [MOST*BUS_W-1:0] shift;
  generate if (MOST > 1) begin : gen_shift
    always @(posedge clk_i) if (beat) shift <= {m_axi_rdata_i, shift[MOST*BUS_W-1:BUS_W]};
  end else begin : gen_one
    always @(posedge clk_i) if (beat) shift <= m_axi_rdata_i;
  end endgenerate
  assign weight_o = shift[(MOST-WBEATS)*BUS_W +: WEIGHT_W];
  assign param_o  = shift[(MOST-PBEATS)*BUS_W +: PARAM_W];

  wire unused_ok = &{1'b0, word_q, offset[ADDR_W], m_axi_rresp_i[0], shift};
endmodule
`default_nettype wire
