`default_nettype none
// Reads weights and parameters from external memory, and moves words of the scratchpad there and back: an AXI4 master
// that runs a list of commands.
//
// BUS_W        32 .. 512, power of two: bits of a beat
// ADDR_W       32 .. 64: bits of a byte address
// BURST        1 .. 256, power of two: most beats of a burst; never more than 4 KiB
// OUTSTANDING  1 .. 16: bursts under way at most
// NCMDS        1 ..: commands of a sample
// WEIGHT_W     bits of a weight word;  PARAM_W  of a parameter word
// CMD_INIT     hex file of the commands
// SPILL        1: there are commands that move words of the scratchpad, and write channels; 0: neither, and no logic
//              for them
// W            1 .. 512: bytes of a scratchpad word
//
// A command is a word of 128 bits, with SPILL of 192:
//   [31:0]     byte offset from base_i, a multiple of BUS_W/8
//   [55:32]    first word of the memory on the chip
//   [63:62]    0: to the weight memory, 1: to the parameter memory, 2: to the scratchpad, 3: from it, a store
//   [87:64]    words; with 0 nothing is moved
//   [96]       a token to load_done_o at its end
//   [127:112]  step tokens that it waits for and uses up
//   [143:128]  columns - 1
//   [155:144]  planes - 1
//   [183:160]  plane step
// Its words are, row by row as far as there are words, in each row plane by plane, in each plane column by column,
// those at first + row * columns + plane * plane step + column, modulo 2^24; with one plane, and always without SPILL,
// they follow each other. In external memory they follow each other in that order. A word of N bits is ceil(N / BUS_W)
// beats, the first one in its least significant bits, the top bits unused; a store makes them 0.
// Commands run in order, for every sample again from the first one; they begin when run_i has been high once.
// step_i brings a token. At most 2^17 - 1 of them may be unused at a time.
//
// Bursts are INCR and end where a multiple of BURST beats does (of as many as 4 KiB hold, if those are fewer), so none
// crosses 4 KiB. Their addresses go out without waiting for data, those of the next command too; data are taken in
// every cycle, but for those in which a word waits for the scratchpad's port (spill_ready_i low). A response with an
// error pulses error_o, its data are written all the same. A store (o2c_store) begins when all data of the commands
// before it are there, and the next command only after its last response: what is read back is what was written.
//
// Reset: rst_ni synchronous, active low: everything, at once. clear_i (a level, high with rst_ni low too): no further
// burst begins, a request that is out is kept until it is accepted, what is under way is received and thrown away, a
// store's bursts that began are completed with any data; drained_o says when nothing is under way. clear_i has to stay
// high until then. Commands begin again with the first one.
//
// Cycles, with a memory that always accepts, gives a burst's first beat LATENCY cycles after its request was accepted
// (or one cycle after the beat before) and one beat a cycle from there, takes what is written in every cycle and
// responds LATENCY cycles after a burst's last beat. For command i: a(i) it has been
// fetched, s(i) it starts, l(i) its data side starts, d(i) its last beat comes. For its bursts k, counted over all
// commands: b(k) the request is made (and is on the bus in the next cycle), e(k) the last beat comes; n(k) beats.
//   a(i) = max(a(i-1) + 1, l(i-16) + 5)
//   s(i) = max(a(i), first cycle in which the step tokens suffice, b of the last burst of i-1, s(i-1) + 1);
//          after a command without words at least l(i-1) + 1, so that data never find it at work;
//          after a store at least d(i-1) + 1
//   b(k) = max(s(i) + 1, b(k-1) + 1, e(k-OUTSTANDING) + 1)
//   e(k) = max(b(k) + 1 + LATENCY, e(k-1) + 1) + n(k) - 1
//   l(i) = max(s(i) + 1, d(i-1))
//   d(i) = e of its last burst; without words l(i) + 1
// A load's word whose last beat comes in t is written in w, the first cycle from t + 1 on with spill_ready_i; the next
// beat comes in w at the earliest. Without such waits w = t + 1, and e(k) is as above.
// For a store these, with bursts counted in it alone; its n(k) beats go until e(k), its response comes in r(k):
//   b(k) = max(l(i) + 2, b(k-1) + 1, r(k-OUTSTANDING) + 1)
//   e(k) = max(b(k) + 1, e(k-1) + 1, l(i) + 6) + n(k) - 1
//   r(k) = e(k) + LATENCY
//   d(i) = r of its last burst
// That is where no word waits. Word j is taken in t(j), the first cycle with spill_ready_i from max(l(i) + 2,
// t(j-1) + 1, m(j-4) + 1, the cycle after the last w) on; it moves on in m(j) = max(t(j) + 3, last beat of word
// j-1), and its beats come from m(j) + 1 on, each after the one before and after its burst's b(k).
// A token of step_i in cycle t suffices from t + 1. The last word is written in cycle d(i) + 1; load_done_o
// comes with it and counts in o2c_sequencer from d(i) + 2; a load's in w, and from w + 1.
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
  parameter integer SPILL       = 0,
  parameter integer W           = 16,
  parameter         CMD_INIT    = ""
) (
  input  wire                clk_i,
  input  wire                rst_ni,
  input  wire                clear_i,
  // Control
  input  wire                run_i,
  input  wire [ADDR_W-1:0]   base_i,         // a multiple of 4 KiB, constant from run_i on
  input  wire                step_i,         // pulse: a step token
  output wire                load_done_o,    // pulse: a load token
  output wire                drained_o,
  output reg                 settled_o,      // everything is loaded that needs no further step token
  output wire                error_o,        // pulse
  // Memories
  output reg                 we_weight_o,
  output reg                 we_param_o,
  output reg  [23:0]         waddr_o,
  output wire [WEIGHT_W-1:0] weight_o,
  output wire [PARAM_W-1:0]  param_o,
  // Scratchpad: what is asked for stays until it is accepted; a word read comes two cycles after that
  output wire                spill_valid_o,
  output wire                spill_we_o,
  input  wire                spill_ready_i,
  output wire [23:0]         spill_addr_o,
  output wire [8*W-1:0]      spill_data_o,
  input  wire [8*W-1:0]      spill_data_i,
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
  output wire                m_axi_rready_o,
  // AXI4, write channels
  output wire [ADDR_W-1:0]   m_axi_awaddr_o,
  output wire [7:0]          m_axi_awlen_o,
  output wire [2:0]          m_axi_awsize_o,
  output wire [1:0]          m_axi_awburst_o,
  output wire [2:0]          m_axi_awprot_o,
  output wire [3:0]          m_axi_awcache_o,
  output wire                m_axi_awvalid_o,
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
               || BURST > 256 || (BURST & (BURST - 1)) != 0 || OUTSTANDING < 1 || OUTSTANDING > 16 || NCMDS < 1
               || WEIGHT_W < 1 || PARAM_W < 1 || SPILL < 0 || SPILL > 1 || W < 1 || W > 512) begin : gen_bad
`ifdef VERILATOR
    $error("o2c_dma: BUS_W 32..512, BURST 1..256, powers of 2; ADDR_W 32..64, OUTSTANDING 1..16, SPILL 0, 1, W 1..512");
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
  localparam integer SBEATS = (8 * W + BUS_W - 1) / BUS_W;
  localparam integer MOSTWP = WBEATS > PBEATS ? WBEATS : PBEATS;
  localparam integer MOST   = SPILL != 0 && SBEATS > MOSTWP ? SBEATS : MOSTWP;
  localparam integer DBW    = MOST > 1 ? $clog2(MOST) : 1;
  localparam integer WLASTI = WBEATS - 1;
  localparam integer PLASTI = PBEATS - 1;
  localparam integer SLASTI = SPILL != 0 ? SBEATS - 1 : 0;
  localparam integer CMD_W  = SPILL != 0 ? 192 : 128;
  localparam integer WALK_W = SPILL != 0 ? 54 : 0;                // bits of what a command says about the scratchpad
  localparam integer CAW    = NCMDS > 1 ? $clog2(NCMDS) : 1;
  localparam integer CLASTI = NCMDS - 1;

  // ---------------------------------------------------------------- fetch: 16 commands ahead
  reg  [CAW-1:0] fetch_addr;
  reg  [4:0]     room;
  reg  [2:0]     fetching;
  wire [CMD_W-1:0] word;
  reg  [CMD_W-1:0] word_q;
  reg  [OW-1:0]  beats_q;
  reg            none_q;
  wire           fetch = room != 5'd0;
  wire           load;
  o2c_rom #(.WIDTH (CMD_W), .DEPTH (NCMDS), .INIT (CMD_INIT)) u_commands (
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
  wire [OW-1:0] words_beats = SPILL != 0 && word[63] ? times(words, SBEATS)
                            : word[62] ? times(words, PBEATS) : times(words, WBEATS);
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
  (* no_rw_check *) reg [2*OW+17:0]   issue_mem [0:15];
  (* no_rw_check *) reg [WALK_W+49:0] data_mem  [0:15];
  reg  [4:0] wptr, iptr, dptr;
  wire [2*OW+17:0]   issue_head = issue_mem[iptr[3:0]];
  wire [WALK_W+49:0] data_head  = data_mem[dptr[3:0]];
  wire               issue_store = SPILL != 0 && issue_head[2*OW + 17];
  wire [WALK_W+49:0] data_tail;              // for the data side
  generate if (SPILL != 0) begin : gen_tail
    assign data_tail = {word_q[63] & word_q[62] & !none_q, word_q[63] & !word_q[62],
                        word_q[143:128], word_q[155:144], word_q[183:160],
                        word_q[96], word_q[62], word_q[87:64], word_q[55:32]};
  end else begin : gen_no_tail
    assign data_tail = {word_q[96], word_q[62], word_q[87:64], word_q[55:32]};
  end endgenerate
  wire [OW-1:0]    last_beat  = word_q[31:LBYTES] + beats_q - 1'b1;
  always @(posedge clk_i) begin
    if (fetching[2]) begin
      issue_mem[wptr[3:0]] <= {word_q[63] & word_q[62] & !none_q, none_q, word_q[127:112], last_beat,
                               word_q[31:LBYTES]};
      data_mem[wptr[3:0]]  <= data_tail;
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
  reg              storing;                  // it is a store that has not ended
  wire             store_done;
  wire [17:0]      rest = {1'b0, steps} - {2'b00, issue_head[2*OW +: 16]};
  wire [OW-1:0]    upto = at | BEATM[OW-1:0];        // a burst's last beat if there are enough
  wire             ends = upto == (last | BEATM[OW-1:0]);
  wire [7:0]       length = (ends ? last[7:0] : upto[7:0]) - at[7:0];
  wire             burst = asking & (!m_axi_arvalid_o | m_axi_arready_i)
                           & (inflight != OUTSTANDING[4:0]) & !clear_i;
  wire             begins = (iptr != wptr) & armed & !rest[17] & (!asking | (burst & ends))
                            & (!empty | (dptr == iptr)) & !storing;
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
      asking <= !issue_head[2*OW + 16] & !issue_store;
      empty  <= issue_head[2*OW + 16];
    end else if (burst) begin
      at     <= upto + 1'b1;
      asking <= !ends;
    end
    storing <= (begins & issue_store) | (storing & !store_done);
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
      storing <= 1'b0;
    end
    if (!rst_ni) begin
      m_axi_arvalid_o <= 1'b0;
      inflight        <= 5'd0;
    end
  end
  wire   held;                               // a word waits for the scratchpad
  wire   stored;                             // nothing of a store is under way
  assign drained_o       = (inflight == 5'd0) & stored;
  assign m_axi_rready_o  = (inflight != 5'd0) & !held;
  assign m_axi_arsize_o  = LBYTES[2:0];
  assign m_axi_arburst_o = 2'b01;
  assign m_axi_arprot_o  = 3'b000;
  assign m_axi_arcache_o = 4'b0011;

  // ---------------------------------------------------------------- data
  reg              busy;                     // a command is at work
  reg              token, is_param;
  wire             is_load, is_store;        // of the scratchpad
  reg  [23:0]      words_left;
  wire [23:0]      addr;
  reg  [DBW-1:0]   place;                    // beat of the word
  wire [DBW-1:0]   place_last = is_load ? SLASTI[DBW-1:0] : is_param ? PLASTI[DBW-1:0] : WLASTI[DBW-1:0];
  wire             word_end = beat & busy & (place == place_last);
  wire             word_read;                // a store's
  wire             step = word_end | word_read;
  wire             none = (words_left == 24'd0) & !is_store & !held;
  wire             ended = busy & (none | store_done | (word_end & (words_left == 24'd1)));
  reg              last_written, read_error;
  wire             write_error;
  assign           load = (dptr != iptr) & (!busy | ended) & !clear_i;
  assign           load_done_o = last_written & !held;
  assign           error_o = read_error | write_error;
  always @(posedge clk_i) begin
    busy <= load | (busy & !ended);
    if (load) begin
      dptr <= dptr + 5'd1;
      {token, is_param, words_left} <= data_head[24 +: 26];
    end else if (step) begin
      words_left <= words_left - 24'd1;
    end
    if (word_end) place <= {DBW{1'b0}};
    else if (beat) place <= place + 1'b1;
    we_weight_o <= word_end & !is_param & !is_load;
    we_param_o  <= word_end & is_param & !is_load;
    if (!held) waddr_o <= addr;
    last_written <= ((ended & token) | (last_written & held)) & !clear_i;
    read_error   <= beat & m_axi_rresp_i[1];
    if (clear_i) begin
      busy  <= 1'b0;
      dptr  <= 5'd0;
      place <= {DBW{1'b0}};
    end
    if (!rst_ni) begin
      we_weight_o <= 1'b0;
      we_param_o  <= 1'b0;
      read_error  <= 1'b0;
    end
  end

  always @(posedge clk_i) begin
    settled_o <= (iptr != wptr) & rest[17] & !asking & !m_axi_arvalid_o & (inflight == 5'd0) & (dptr == iptr)
                 & !busy & !held & !clear_i;
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


  // ---------------------------------------------------------------- scratchpad
  generate if (SPILL != 0) begin : gen_spill
    // Where the next word is: in its line of columns, in its row of planes.
    reg  [23:0] here, line, row, plane_step;
    reg  [15:0] columns, column;
    reg  [11:0] planes, plane;
    reg         load_q, store_q;
    wire [23:0] row_next  = row + {8'd0, columns} + 24'd1;
    wire [23:0] line_next = plane == planes ? row_next : line + plane_step;
    always @(posedge clk_i) begin
      if (load) begin
        {store_q, load_q, columns, planes, plane_step} <= data_head[50 +: 54];
        here   <= data_head[23:0];
        line   <= data_head[23:0];
        row    <= data_head[23:0];
        column <= 16'd0;
        plane  <= 12'd0;
      end else if (step) begin
        if (column != columns) begin
          here   <= here + 24'd1;
          column <= column + 16'd1;
        end else begin
          here   <= line_next;
          line   <= line_next;
          column <= 16'd0;
          plane  <= plane == planes ? 12'd0 : plane + 12'd1;
          if (plane == planes) row <= row_next;
        end
      end
    end
    assign addr     = here;
    assign is_load  = load_q;
    assign is_store = store_q;

    // A load's word stands in `shift` until it is accepted.
    reg  full, start;
    wire store_room;
    wire read = busy & store_q & !start & (words_left != 24'd0) & store_room & !clear_i;
    assign word_read     = read & !full & spill_ready_i;
    assign held          = full & !spill_ready_i;
    assign spill_valid_o = full | read;
    assign spill_we_o    = full;
    assign spill_addr_o  = full ? waddr_o : here;
    assign spill_data_o  = shift[(MOST-SBEATS)*BUS_W +: 8*W];
    always @(posedge clk_i) begin
      full  <= ((word_end & load_q) | held) & !clear_i;
      start <= load & data_head[WALK_W+49];
    end

    // While it runs, `at` and `last` are the store's.
    o2c_store #(
      .BUS_W (BUS_W), .ADDR_W (ADDR_W), .BURST (BURST), .OUTSTANDING (OUTSTANDING), .WORD_W (8 * W)
    ) u_store (
      .clk_i           (clk_i),
      .rst_ni          (rst_ni),
      .clear_i         (clear_i),
      .start_i         (start & !clear_i),
      .base_i          (base_i),
      .at_i            (at),
      .last_i          (last),
      .done_o          (store_done),
      .drained_o       (stored),
      .error_o         (write_error),
      .room_o          (store_room),
      .take_i          (word_read),
      .word_i          (spill_data_i),
      .m_axi_awaddr_o  (m_axi_awaddr_o),
      .m_axi_awlen_o   (m_axi_awlen_o),
      .m_axi_awsize_o  (m_axi_awsize_o),
      .m_axi_awburst_o (m_axi_awburst_o),
      .m_axi_awprot_o  (m_axi_awprot_o),
      .m_axi_awcache_o (m_axi_awcache_o),
      .m_axi_awvalid_o (m_axi_awvalid_o),
      .m_axi_awready_i (m_axi_awready_i),
      .m_axi_wdata_o   (m_axi_wdata_o),
      .m_axi_wstrb_o   (m_axi_wstrb_o),
      .m_axi_wlast_o   (m_axi_wlast_o),
      .m_axi_wvalid_o  (m_axi_wvalid_o),
      .m_axi_wready_i  (m_axi_wready_i),
      .m_axi_bresp_i   (m_axi_bresp_i),
      .m_axi_bvalid_i  (m_axi_bvalid_i),
      .m_axi_bready_o  (m_axi_bready_o)
    );
  end else begin : gen_no_spill
    reg [23:0] here;
    always @(posedge clk_i) begin
      if (load) here <= data_head[23:0];
      else if (step) here <= here + 24'd1;
    end
    assign addr            = here;
    assign is_load         = 1'b0;
    assign is_store        = 1'b0;
    assign word_read       = 1'b0;
    assign held            = 1'b0;
    assign store_done      = 1'b0;
    assign stored          = 1'b1;
    assign write_error     = 1'b0;
    assign spill_valid_o   = 1'b0;
    assign spill_we_o      = 1'b0;
    assign spill_addr_o    = 24'd0;
    assign spill_data_o    = {(8 * W){1'b0}};
    assign m_axi_awaddr_o  = {ADDR_W{1'b0}};
    assign m_axi_awlen_o   = 8'd0;
    assign m_axi_awsize_o  = LBYTES[2:0];
    assign m_axi_awburst_o = 2'b01;
    assign m_axi_awprot_o  = 3'b000;
    assign m_axi_awcache_o = 4'b0011;
    assign m_axi_awvalid_o = 1'b0;
    assign m_axi_wdata_o   = {BUS_W{1'b0}};
    assign m_axi_wstrb_o   = {BYTES{1'b1}};
    assign m_axi_wlast_o   = 1'b0;
    assign m_axi_wvalid_o  = 1'b0;
    assign m_axi_bready_o  = 1'b0;
    wire unused_spill = &{1'b0, spill_ready_i, spill_data_i, m_axi_awready_i, m_axi_wready_i, m_axi_bresp_i,
                          m_axi_bvalid_i};
  end endgenerate

  wire unused_ok = &{1'b0, word_q, offset[ADDR_W], m_axi_rresp_i[0], shift};
endmodule
`default_nettype wire
