`default_nettype none
// The engine: sequencer, address generation, array, pool, post pipeline and scratchpad.
//
// P, C, K   array rows (pixels), dot length, output channels; powers of two
// R         requantize lanes, a divisor of min(K, P*C)
// DEPTH     scratchpad words of W = P*C bytes; other depths likewise of their memories
// EXT       weights and parameters are written from outside (ext_*, see o2c_dma) and layers wait for load tokens; else they
//           are WEIGHT_INIT and PARAM_INIT
// CHANGES   descriptors hold what changes from the one before, in NROM words: see o2c_sequencer
// HAS_RING  tensors may stand in rings of rows, see words 26 to 28;  IN_RING  the input does, see word 29 and o2c_ingest
// XB        bits of an activation that the array multiplies, 1 to 8: the low ones of a byte, two's complement
// MUL_STYLE what the array's multipliers are, see o2c_mac_array
// HAS_SLIDE depthwise layers; they need K >= W, and BANKS = 4 of the scratchpad, or 8 where a slot is two rows
// PSUM_DEPTH   partial sums of W channels for depthwise layers of several passes; 0 if none has
//
// Descriptor, 32-bit words, least significant bit first:
//    0  [1:0] mode: 0 array, 1 maximum, 2 sum or product, 3 depthwise   [2] residual   [3] table   [4] input region free afterwards
//       [5] writes the output region   [6] depthwise: two rows a slot   [7] parameters by tap count   [15:8] pad value   [23:16] q_lo   [31:24] q_hi, below q_lo for no bounds
//    1  [7:0] y_lo   [15:8] y_hi   [16] table ties to odd   [17] table ties as of uint8   [18] table of thresholds
//       [19] the output region is complete afterwards   [20] product of two operands   [21] the second one's first channel is for all
//       [22] the second one corrects thresholds, else the first
//       [31:24] table index
//    2  [15:0] A - 1   [31:16] B - 1           loops, see o2c_addr_gen; depthwise: A slots of a column, see o2c_slide_gen,
//       [31:16] input columns from a group of output columns to the next
//    3  [15:0] C - 1   [31:16] kb - 1   depthwise: [7:0] tiles of the kernel beside each other - 1   [15:8] below each other - 1
//    4  [23:0] units - 1 (array: tiles; pool: pixels)   [31:24] group length - 1
//       depthwise: [15:0] output columns of a group - 1   [23:16] cycles of a slot in passes that others follow - 1
//    5  [15:0] gap, depthwise: wait   [23:16] vectors of a unit - 1   [31:24] cycles of a read (pool) or slot - 1
//    6  [15:0] input rows   [31:16] input columns
//    7  [15:0] output columns - 1   [31:16] pixels of an output run - 1, see o2c_post
//    8  [15:0] first window's row   [31:16] column (signed)
//    9  [15:0] row stride   [31:16] column stride
//   10  [15:0] row dilation [31:16] column dilation; depthwise: from a tile of the kernel to the next
//   11  first window's address   12  [23:0] address step of a column   [31:24] load tokens that it waits for and uses up
//   13  address step of a row's end; depthwise: from the address in 11, if that is the map's top, to the first tile's row
//   14  address steps of A   15  of B   16  of C; depthwise: 14 of a slot, 15 from its first row to its second, 16 from a
//       tile of the kernel to the one below
//       product: of the second operand   14 first address   15 step of a column   16 of a row's end   17 [23:0] of a channel block
//       [31:24] its zero point (the first one's is the pad value)
//   17  [23:0] first weight word; float32 sums: mantissa of the input's scale   [31:24] slots before the first output
//   18  [15:0] first parameter word   [31:16] output groups
//   19  first output word   20  residual operand's address minus the output's
//   21  [23:0] output pixels   [31:24] slots between outputs - 1
//   22  [23:0] block step   [31:24] block repetitions - 1; depthwise: slots that the first tile is above the map's top
//   23  [23:0] words of an output plane   [31:24] slots from a column's last output to the next one's first - 1
//   24  [15:0] address step in an output run   [31:16] rows of the window that belong to the kernel
//   25  [23:0] address step to the next output run   [27:24] columns of the window that belong to the kernel
//   26  [15:0] first row of the map that stands once around its ring; depthwise: last slot before it
//       [31:16] last output run before the output's ring ends; depthwise: last pixel of a run
//   27  [23:0] words of a plane of the map's ring; depthwise: address step of the slot at its end
//   28  [23:0] address step at the end of the output's ring
//   29  [15:0] rows of the input that have to be there   [31:16] that are free afterwards
//
// Cycles of a layer, from its issue to the next one's (T = reads of a unit + gap, U = units, all blocks,
// n = cycles from a unit's first read to its last, V = vectors of a unit, D = V * groups of a vector * group length, LC = log2 C,
// S = 1 with HAS_SLIDE, else 0):
//   array      (U-1)*T + n + 2*P + LC + D - group length + G/R + S + 19
//   pool       (U-1)*T + n + D - group length + G/R + 19, and 2 more for a product (n = 2)
//   depthwise  blocks * (sum over passes: wait + slots * cycles of a slot) - cycles of a slot + LC + log2 P + G/R + 22
// and never fewer than the fetch of the next descriptor takes: NWORDS + 3. Waits for load tokens come on top.
module o2c_engine #(
  parameter integer P         = 4,
  parameter integer C         = 4,
  parameter integer K         = 16,
  parameter integer R         = 4,
  parameter integer XB        = 8,
  parameter integer WB        = 8,
  parameter integer MUL_STYLE = 0,
  parameter integer SUM_W     = 24,
  parameter integer POOL_W    = 16,
  parameter integer ACC_W     = 25,
  parameter integer BIAS_W    = 24,
  parameter integer MUL_W     = 20,
  parameter integer OFF_W     = 44,
  parameter integer SHIFT_W   = 6,
  parameter integer SHIFT_BASE = 0,
  parameter integer SHIFT_MAX = 40,
  parameter integer EXACT     = 0,
  parameter integer DEPTH     = 4096,
  parameter integer WDEPTH    = 1024,
  parameter integer PDEPTH    = 64,
  parameter integer NLAYERS   = 1,
  parameter integer CHANGES   = 0,
  parameter integer NROM      = 1,
  parameter integer CW        = 8,
  parameter integer NW        = 8,
  parameter integer MW        = 16,
  parameter integer HAS_ARRAY = 1,
  parameter integer HAS_POOL  = 1,
  parameter integer HAS_PRODUCT = 0,
  parameter integer HAS_STEP  = 1,
  parameter integer HAS_SLIDE = 0,
  parameter integer HAS_RING  = 0,
  parameter integer IN_RING   = 0,
  parameter integer BANKS     = 1,
  parameter integer PSUM_DEPTH = 0,
  parameter integer HAS_TABLE = 1,
  parameter integer TABLE_W   = 18,
  parameter integer TABLE_SHIFT = 8,
  parameter integer TABLE_WINDOW = 0,
  parameter integer FLOAT_W   = 0,
  parameter integer SELECT_W  = 0,
  parameter integer TDEPTH    = 256,
  parameter integer EXT       = 0,
  parameter         DESC_INIT    = "",
  parameter         WEIGHT_INIT  = "",
  parameter         PARAM_INIT   = "",
  parameter         TABLE_A_INIT = "",
  parameter         TABLE_B_INIT = "",
  localparam integer W  = P * C,
  localparam integer WEIGHT_W = K * C * WB,
  localparam integer PARAM_W  = R * (BIAS_W + MUL_W + OFF_W + SHIFT_W + EXACT) + SELECT_W,
  localparam integer AW = DEPTH > 1 ? $clog2(DEPTH) : 1
) (
  input  wire           clk_i,
  input  wire           rst_ni,
  // Control
  input  wire           run_i,           // samples may start
  input  wire           sample_ready_i,  // a sample stands in the input region
  output wire           sample_start_o,
  output wire           in_free_o,
  input  wire [15:0]    in_rows_i,       // of the sample in the input region
  output wire [15:0]    in_freed_o,
  input  wire           out_ready_i,     // the output region may be written
  output wire           out_done_o,
  output wire           busy_o,
  // Weights and parameters from outside
  output wire           ext_step_o,      // a layer is done
  input  wire           ext_load_i,      // a load token
  input  wire           ext_we_weight_i,
  input  wire           ext_we_param_i,
  input  wire [23:0]    ext_addr_i,
  input  wire [WEIGHT_W-1:0] ext_weight_i,
  input  wire [PARAM_W-1:0]  ext_param_i,
  // Scratchpad to and from external memory, see o2c_dma; a word read is out_rd_data_o two cycles later
  input  wire           spill_valid_i,
  input  wire           spill_we_i,
  output wire           spill_ready_o,
  input  wire [AW-1:0]  spill_addr_i,
  input  wire [8*W-1:0] spill_data_i,
  // Input stream to scratchpad
  input  wire           in_wr_valid_i,
  output wire           in_wr_ready_o,
  input  wire [AW-1:0]  in_wr_addr_i,
  input  wire [8*W-1:0] in_wr_data_i,
  // Scratchpad to output stream
  input  wire           out_rd_valid_i,
  output wire           out_rd_ready_o,
  input  wire [AW-1:0]  out_rd_addr_i,
  output wire           out_rd_data_valid_o,
  output wire [8*W-1:0] out_rd_data_o
);
  localparam integer NWORDS = 30;
  localparam integer G   = K < W ? K : W;
  localparam integer NS  = W / G;
  localparam integer LC  = $clog2(C);
  localparam integer WAW = WDEPTH > 1 ? $clog2(WDEPTH) : 1;
  localparam integer PAW = PDEPTH > 1 ? $clog2(PDEPTH) : 1;

  generate if (XB > 8 || CW > 16 || NW > 16 || MW > 24 || AW > 24 || WAW > 24 || PAW > 24 || POOL_W > SUM_W || SUM_W > ACC_W) begin : gen_bad
`ifdef VERILATOR
    $error("o2c_engine: XB at most 8, CW, NW at most 16, MW, AW, weight addresses at most 24, POOL_W <= SUM_W <= ACC_W");
`else
    o2c_engine_ERROR_parameters_see_header u_bad ();
`endif
  end endgenerate

  // ---------------------------------------------------------------- sequencer
  wire                 issue, start, done;
  wire [15:0]          layer;
  wire [32*NWORDS-1:0] desc;
  o2c_sequencer #(
    .NLAYERS   (NLAYERS),
    .NWORDS    (NWORDS),
    .CHANGES   (CHANGES),
    .NROM      (CHANGES != 0 ? NROM : NLAYERS * NWORDS),
    .EXT       (EXT),
    .IN_RING   (IN_RING),
    .DESC_INIT (DESC_INIT)
  ) u_sequencer (
    .clk_i          (clk_i),
    .rst_ni         (rst_ni),
    .run_i          (run_i),
    .sample_ready_i (sample_ready_i),
    .out_ready_i    (out_ready_i),
    .done_i         (done),
    .load_i         (ext_load_i),
    .in_rows_i      (in_rows_i),
    .in_freed_o     (in_freed_o),
    .issue_o        (issue),
    .layer_o        (layer),
    .start_o        (start),
    .desc_o         (desc),
    .busy_o         (busy_o),
    .sample_start_o (sample_start_o),
    .in_free_o      (in_free_o),
    .out_done_o     (out_done_o)
  );
  wire        pool = HAS_POOL != 0 && (HAS_ARRAY == 0 || (desc[32*0] ^ desc[32*0 + 1]));
  wire        depthwise = HAS_SLIDE != 0 && (desc[32*0] & desc[32*0 + 1]);
  wire        pool_max = desc[32*0];
  wire        product = HAS_PRODUCT != 0 && desc[32*1 + 20];
  wire        unused_desc = &{1'b0, desc, ext_addr_i};
  assign ext_step_o = done;

  // ---------------------------------------------------------------- reads
  wire [AW-1:0] s1_walk_addr, s1_addr, s1_pair_addr;
  wire s1_valid, s1_pad, s1_word_last, s1_first, s1_last, s1_kb_last;
  o2c_addr_gen #(.P (P), .AW (AW), .CW (CW), .NW (NW), .MW (MW), .HAS_STEP (HAS_STEP), .HAS_RING (HAS_RING),
    .HAS_PRODUCT (HAS_PRODUCT)) u_addr_gen (
    .clk_i          (clk_i),
    .rst_ni         (rst_ni),
    .start_i        (start & !depthwise),
    .pool_i         (pool),
    .product_i      (product),
    .a_last_i       (desc[32*2 +: NW]),
    .b_last_i       (desc[32*2 + 16 +: NW]),
    .c_last_i       (desc[32*3 +: NW]),
    .kb_last_i      (desc[32*3 + 16 +: NW]),
    .unit_last_i    (desc[32*4 +: MW]),
    .gap_i          (desc[32*5 +: 16]),
    .hold_last_i    (desc[32*5 + 24 +: 8]),
    .in_h_i         (desc[32*6 +: CW]),
    .in_w_i         (desc[32*6 + 16 +: CW]),
    .out_w_last_i   (desc[32*7 +: CW]),
    .walk_h0_i      (desc[32*8 +: CW]),
    .walk_w0_i      (desc[32*8 + 16 +: CW]),
    .stride_h_i     (desc[32*9 +: CW]),
    .stride_w_i     (desc[32*9 + 16 +: CW]),
    .dil_h_i        (desc[32*10 +: CW]),
    .dil_w_i        (desc[32*10 + 16 +: CW]),
    .walk_base_i    (desc[32*11 +: AW]),
    .walk_col_i     (desc[32*12 +: AW]),
    .walk_row_i     (desc[32*13 +: AW]),
    .block_step_i   (desc[32*22 +: AW]),
    .block_repeat_i (desc[32*22 + 24 +: 8]),
    .inc_a_i        (desc[32*14 +: AW]),
    .inc_b_i        (desc[32*15 +: AW]),
    .inc_c_i        (desc[32*16 +: AW]),
    .ring_row_i     (desc[32*26 +: CW]),
    .ring_words_i   (desc[32*27 +: AW]),
    .other_base_i   (desc[32*14 +: AW]),
    .other_col_i    (desc[32*15 +: AW]),
    .other_row_i    (desc[32*16 +: AW]),
    .other_step_i   (desc[32*17 +: AW]),
    .s1_addr_o      (s1_walk_addr),
    .s1_valid_o     (s1_valid),
    .s1_pad_o       (s1_pad),
    .s1_word_last_o (s1_word_last),
    .s1_first_o     (s1_first),
    .s1_last_o      (s1_last),
    .s1_kb_last_o   (s1_kb_last)
  );

  reg  s2_pad, s3_pad, s2_word, s3_word, s2_word_last, s3_word_last, s2_tap, s3_tap, s2_first, s3_first;
  wire [8*W*BANKS-1:0] a_data;
  wire [8*W-1:0] s3_data = s3_pad ? {W{desc[32*0 + 8 +: 8]}} : a_data[8*W-1:0];
  always @(posedge clk_i) begin
    s2_pad       <= s1_pad;
    s3_pad       <= s2_pad;
    s2_word      <= s1_valid & !pool;
    s3_word      <= s2_word;
    s2_word_last <= s1_valid & s1_word_last;
    s3_word_last <= s2_word_last;
    s2_tap       <= s1_valid & pool;
    s3_tap       <= s2_tap;
    s2_first     <= s1_first;
    s3_first     <= s2_first;
  end

  localparam integer LR = W > 4 ? W / 4 : 1;
  wire                 slide_shift, slide_mac;
  wire [LR-1:0]        slide_rows;
  wire [P-1:0]         weight_row, slide_weights;
  localparam integer IW = PSUM_DEPTH > 1 ? $clog2(PSUM_DEPTH) : 1;
  wire [IW-1:0]        psum_index;
  wire                 psum_add, psum_more, weights_again, weights_block;
  wire [8*W*BANKS-1:0] window;
  generate if (HAS_SLIDE != 0) begin : gen_slide
    wire [AW-1:0] slide_addr, slide_pair_addr;
    wire [3:0]    s1_cols;
    wire          s1_slot, s1_emit;
    wire [LR-1:0] s1_rows;
    wire [IW-1:0] s1_index;
    wire          s1_add, s1_more;
    // Rows from a tile of the kernel to the one below, in slots; and slots above the map.
    wire [15:0]   tile_rows  = desc[32*10 +: 16];
    wire [15:0]   tile_slots = desc[32*0 + 6] ? tile_rows >> 1 : tile_rows;
    wire [15:0]   skip       = {8'd0, desc[32*22 + 24 +: 8]};
    o2c_slide_gen #(.AW (AW), .CW (CW), .NW (NW), .P (P), .LR (LR), .HAS_RING (HAS_RING),
      .PASSES (PSUM_DEPTH > 0 ? 1 : 0), .IW (IW)) u_slide_gen (
      .clk_i          (clk_i),
      .rst_ni         (rst_ni),
      .start_i        (start & depthwise),
      .slot_last_i    (desc[32*2 +: CW]),
      .out_w_last_i   (desc[32*7 +: CW]),
      .out_h_last_i   (desc[32*7 + 16 +: CW]),
      .block_last_i   (desc[32*3 + 16 +: NW]),
      .wait_i         (desc[32*5 +: 16]),
      .hold_last_i    (desc[32*5 + 24 +: 8]),
      .in_h_i         (desc[32*6 +: CW]),
      .in_w_i         (desc[32*6 + 16 +: CW]),
      .first_h_i      (desc[32*8 +: CW]),
      .first_w_i      (desc[32*8 + 16 +: CW]),
      .stride_h_i     (desc[32*9 +: CW]),
      .stride_w_i     (desc[32*9 + 16 +: CW]),
      .base_i         (desc[32*11 +: AW]),
      .slot_step_i    (desc[32*14 +: AW]),
      .ring_slot_i    (desc[32*26 +: CW]),
      .ring_step_i    (desc[32*27 +: AW]),
      .pair_step_i    (desc[32*15 +: AW]),
      .column_step_i  (desc[32*12 +: AW]),
      .block_step_i   (desc[32*22 +: AW]),
      .emit_first_i   (desc[32*17 + 24 +: 8]),
      .emit_step_i    (desc[32*21 + 24 +: 8]),
      .emit_wrap_i    (desc[32*23 + 24 +: 8]),
      .rows_i         (desc[32*24 + 16 +: LR]),
      .cols_i         (desc[32*25 + 24 +: 4]),
      .tile_row_last_i (desc[32*3 + 8 +: 8]),
      .tile_col_last_i (desc[32*3 +: 8]),
      .tile_h_i       (tile_rows[CW-1:0]),
      .tile_w_i       (desc[32*10 + 16 +: CW]),
      .tile_slots_i   (tile_slots[CW-1:0]),
      .tile_step_i    (desc[32*16 +: AW]),
      .tile_first_i   (desc[32*13 +: AW]),
      .skip_i         (skip[CW-1:0]),
      .group_last_i   (desc[32*4 +: CW]),
      .group_step_i   (desc[32*2 + 16 +: CW]),
      .hold_more_i    (desc[32*4 + 16 +: 8]),
      .s1_addr_o      (slide_addr),
      .s1_pair_addr_o (slide_pair_addr),
      .s1_valid_o     (s1_slot),
      .s1_cols_o      (s1_cols),
      .s1_emit_o      (s1_emit),
      .s1_rows_o      (s1_rows),
      .s1_index_o     (s1_index),
      .s1_add_o       (s1_add),
      .s1_more_o      (s1_more),
      .weight_row_o   (slide_weights),
      .weight_again_o (weights_again),
      .weight_block_o (weights_block)
    );
    wire unused_slots = &{1'b0, tile_rows, tile_slots, skip};
    assign s1_addr      = depthwise ? slide_addr : s1_walk_addr;
    assign s1_pair_addr = slide_pair_addr;

    // The words arrive two cycles later; the operands are made of the window three cycles later.
    reg [3:0]    s2_cols, s3_cols;
    reg          s2_slot, s3_slot, mac, add, more;
    reg [IW-1:0] index;
    reg [LR-1:0] s2_rows, s3_rows, s4_rows;
    reg [P-1:0]  weights_q1, weights_q2;
    always @(posedge clk_i) begin
      s2_cols    <= s1_cols;
      s3_cols    <= s2_cols;
      s2_slot    <= s1_slot;
      s3_slot    <= s2_slot;
      s2_rows    <= s1_rows;
      s3_rows    <= s2_rows;
      s4_rows    <= s3_rows;
      mac        <= s1_emit & rst_ni;
      index      <= s1_index;
      add        <= s1_add;
      more       <= s1_more;
      weights_q1 <= slide_weights;
      weights_q2 <= weights_q1;
    end
    assign slide_shift = s3_slot;
    assign slide_rows  = s4_rows;
    assign slide_mac   = mac;
    assign psum_index  = index;
    assign psum_add    = add;
    assign psum_more   = more;
    assign weight_row  = weights_q2;
    genvar l;
    for (l = 0; l < BANKS; l = l + 1) begin : gen_column
      assign window[8*W*l +: 8*W] = s3_cols[l % 4] ? a_data[8*W*l +: 8*W] : {W{desc[32*0 + 8 +: 8]}};
    end
  end else begin : gen_no_slide
    assign s1_addr       = s1_walk_addr;
    assign s1_pair_addr  = {AW{1'b0}};
    assign slide_shift   = 1'b0;
    assign slide_rows    = {LR{1'b0}};
    assign slide_mac     = 1'b0;
    assign weight_row    = {P{1'b0}};
    assign slide_weights = {P{1'b0}};
    assign psum_index    = {IW{1'b0}};
    assign psum_add      = 1'b0;
    assign psum_more     = 1'b0;
    assign weights_again = 1'b0;
    assign weights_block = 1'b0;
    assign window        = {(8*W*BANKS){1'b0}};
  end endgenerate

  localparam integer FLOAT_N = FLOAT_W > 0 ? FLOAT_W : 1;
  wire [R*SUM_W-1:0] array_head, pool_head;
  wire [R*FLOAT_N-1:0] float_sum;
  wire               chain_shift, early_shift, array_trig, pool_trig;
  wire [8*R-1:0]     factor;
  wire [PAW-1:0]     trig_div;
  genvar r;

  // ---------------------------------------------------------------- array
  generate if (HAS_ARRAY != 0) begin : gen_array
    // Weights: addressed two cycles before the rows' data, restarting at the block's first word for each tile.
    localparam integer PW = P > 1 ? $clog2(P) : 1;
    localparam integer PLASTI = P - 1;
    reg           mac_run, mac_step_first, mac_step_last, mac_kb_last;
    reg  [PW-1:0] mac_j;
    wire          mac_j_last = mac_j == PLASTI[PW-1:0];
    wire          mac_first  = mac_run & mac_step_first & (mac_j == {PW{1'b0}});
    wire          mac_last   = mac_run & mac_step_last & mac_j_last;
    reg [WAW-1:0] waddr, wbase;
    always @(posedge clk_i) begin
      if (s1_valid && s1_word_last) begin
        mac_run        <= 1'b1;
        mac_j          <= {PW{1'b0}};
        mac_step_first <= s1_first;
        mac_step_last  <= s1_last;
        mac_kb_last    <= s1_kb_last;
      end else begin
        mac_j <= mac_j + 1'b1;
        if (mac_j_last) mac_run <= 1'b0;
      end
      if (!rst_ni) mac_run <= 1'b0;
      if (start) begin
        waddr <= desc[32*17 +: WAW];
        wbase <= desc[32*17 +: WAW];
      end else if (mac_run || |slide_weights) begin
        waddr <= waddr + 1'b1;
        if (mac_last) begin
          if (mac_kb_last) wbase <= waddr + 1'b1;
          else waddr <= wbase;
        end
      end
      // A depthwise block's next group of columns takes the block's weights from the first on.
      if (PSUM_DEPTH > 0 && weights_again) waddr <= wbase;
      if (PSUM_DEPTH > 0 && weights_block) wbase <= |slide_weights ? waddr + 1'b1 : waddr;
    end

    wire [K*C*WB-1:0] weight;
    if (EXT != 0) begin : gen_weight_ram
      o2c_ram_sdp #(.WIDTH (WEIGHT_W), .DEPTH (WDEPTH)) u_weight (
        .clk_i    (clk_i),
        .r_addr_i (waddr),
        .r_data_o (weight),
        .w_en_i   (ext_we_weight_i),
        .w_addr_i (ext_addr_i[WAW-1:0]),
        .w_data_i (ext_weight_i)
      );
    end else begin : gen_weight_rom
      o2c_rom #(.WIDTH (WEIGHT_W), .DEPTH (WDEPTH), .INIT (WEIGHT_INIT)) u_weight (
        .clk_i (clk_i), .addr_i (waddr), .data_o (weight)
      );
      wire unused_ext = &{1'b0, ext_we_weight_i, ext_weight_i};
    end

    // mac_* in the cycle of the weight's address; the rows work two cycles later, with HAS_SLIDE three. The post pipeline
    // is triggered LC cycles after the last products' operands, the chain loads two cycles after the trigger; depthwise
    // LP cycles later.
    localparam integer DL = HAS_SLIDE != 0 ? 1 : 0;
    localparam integer LP = HAS_SLIDE != 0 ? $clog2(P) : 0;
    reg [LC+LP+DL+4:1] run_q, first_q, last_q;
    always @(posedge clk_i) begin
      run_q   <= {run_q[LC+LP+DL+3:1], mac_run | slide_mac};
      first_q <= {first_q[LC+LP+DL+3:1], mac_first};
      last_q  <= {last_q[LC+LP+DL+3:1], mac_last | (slide_mac & !psum_more)};
      if (!rst_ni) last_q <= {(LC+LP+DL+4){1'b0}};
    end
    // The same way as mac_valid_i.
    reg [IW-1:0] index_q [1:DL+2];
    reg [DL+2:1] add_q, more_q;
    integer d;
    always @(posedge clk_i) begin
      index_q[1] <= psum_index;
      for (d = 2; d <= DL + 2; d = d + 1) index_q[d] <= index_q[d-1];
      add_q  <= {add_q[DL+1:1], psum_add};
      more_q <= {more_q[DL+1:1], psum_more};
    end
    assign array_trig = depthwise ? last_q[LC+LP+DL+2] : last_q[LC+DL+2];

    // The bits of every byte that count.
    wire [XB*W-1:0]       array_word;
    wire [XB*W*BANKS-1:0] array_window;
    genvar b;
    if (XB == 8) begin : gen_bytes
      assign array_word   = s3_data;
      assign array_window = window;
    end else begin : gen_bits
      for (b = 0; b < W; b = b + 1) begin : gen_word
        assign array_word[b*XB +: XB] = s3_data[8*b +: XB];
      end
      for (b = 0; b < W * BANKS; b = b + 1) begin : gen_window
        assign array_window[b*XB +: XB] = window[8*b +: XB];
      end
      wire unused_window = &{1'b0, window};
    end

    o2c_mac_array #(
      .P (P), .C (C), .K (K), .XB (XB), .WB (WB), .MUL_STYLE (MUL_STYLE), .ACC_W (SUM_W), .R (R),
      .HAS_SLIDE (HAS_SLIDE), .BANKS (BANKS), .PSUM_DEPTH (PSUM_DEPTH)
    ) u_array (
      .clk_i         (clk_i),
      .word_i        (array_word),
      .word_shift_i  (s3_word),
      .word_last_i   (s3_word_last),
      .weight_i      (weight),
      .mac_valid_i   (run_q[DL+2]),
      .mac_first_i   (first_q[DL+2]),
      .depthwise_i   (depthwise),
      .window_i      (array_window),
      .window_shift_i (slide_shift),
      .window_pair_i (desc[32*0 + 6]),
      .window_rows_i (slide_rows),
      .pad_value_i   (desc[32*0 + 8 +: XB]),
      .weight_row_i  (weight_row),
      .psum_index_i  (index_q[DL+2]),
      .psum_add_i    (add_q[DL+2]),
      .psum_more_i   (more_q[DL+2]),
      .drain_load_i  (depthwise ? last_q[LC+LP+DL+4] : last_q[LC+DL+4]),
      .drain_shift_i (chain_shift & !pool),
      .head_o        (array_head)
    );
    wire unused_ok = &{1'b0, run_q, first_q};
  end else begin : gen_no_array
    assign array_trig = 1'b0;
    assign array_head = {(R*SUM_W){1'b0}};
    wire unused_ok = &{1'b0, s1_kb_last, s3_word, s3_word_last, WAW[0], LC[0], slide_shift, slide_mac, slide_rows,
                      weight_row, slide_weights, psum_index, psum_add, psum_more, weights_again,
                      weights_block, window, ext_we_weight_i, ext_weight_i};
  end endgenerate

  // ---------------------------------------------------------------- pool
  generate if (HAS_POOL != 0) begin : gen_pool
    reg  [PAW-1:0] taps, div;
    reg            s2_last, s3_last, s4_last;
    wire [PAW-1:0] taps_here = (s1_first ? {PAW{1'b0}} : taps) + {{(PAW-1){1'b0}}, !s1_pad};
    always @(posedge clk_i) begin
      if (s1_valid) taps <= taps_here;
      div     <= desc[32*0 + 7] ? taps_here - 1'b1 : {PAW{1'b0}};
      s2_last <= s1_valid & s1_last & pool & rst_ni;
      s3_last <= s2_last;
      s4_last <= s3_last;
    end
    // A product is made behind the chain.
    assign pool_trig = product ? s4_last : s2_last;
    assign trig_div  = div;
    wire [R*POOL_W-1:0] chain, head;
    o2c_pool #(.W (W), .POOL_W (POOL_W), .R (R), .PRODUCT (HAS_PRODUCT)) u_pool (
      .clk_i         (clk_i),
      .max_i         (pool_max),
      .product_i     (product),
      .spread_i      (desc[32*1 + 21]),
      .word_i        (s3_data),
      .tap_valid_i   (s3_tap),
      .tap_first_i   (s3_first),
      .drain_load_i  (s4_last),
      .drain_shift_i ((product ? early_shift : chain_shift) & pool),
      .head_o        (chain)
    );
    wire [R*25-1:0] key;
    if (HAS_PRODUCT != 0) begin : gen_product
      wire [R*POOL_W-1:0] products;
      o2c_product #(.R (R), .POOL_W (POOL_W), .KEY (FLOAT_W > 0 ? 1 : 0)) u_product (
        .clk_i     (clk_i),
        .head_i    (chain),
        .zero_a_i  (desc[32*0 + 8 +: 8]),
        .zero_b_i  (desc[32*17 + 24 +: 8]),
        .by_b_i    (desc[32*1 + 22]),
        .product_o (products),
        .key_o     (key),
        .factor_o  (factor)
      );
      assign head = product ? products : chain;
    end else begin : gen_no_product
      assign head   = chain;
      assign key    = {(R*25){1'b0}};
      assign factor = {(8*R){1'b0}};
      wire unused_ok = &{1'b0, early_shift};
    end
    wire [R*FLOAT_N-1:0] sums;
    for (r = 0; r < R; r = r + 1) begin : gen_key
      if (FLOAT_W >= 25) begin : gen_wide
        wire [24:0] of_product = key[25*r +: 25];
        assign float_sum[r*FLOAT_N +: FLOAT_N] =
          product ? {{(FLOAT_N-24){of_product[24]}}, of_product[23:0]} : sums[r*FLOAT_N +: FLOAT_N];
      end else begin : gen_none
        assign float_sum[r*FLOAT_N +: FLOAT_N] = sums[r*FLOAT_N +: FLOAT_N];
        wire unused_ok = &{1'b0, key[25*r +: 25]};
      end
    end
    if (FLOAT_W >= 34) begin : gen_float
      o2c_pool_float #(.W (W), .R (R), .FLOAT_W (FLOAT_W)) u_pool_float (
        .clk_i       (clk_i),
        .word_i      (s3_data),
        .tap_valid_i (s3_tap),
        .tap_first_i (s3_first),
        .zero_i      (desc[32*0 + 8 +: 8]),
        .mantissa_i  (desc[32*17 +: 24]),
        .sum_o       (sums)
      );
    end else begin : gen_no_float
      assign sums = {(R*FLOAT_N){1'b0}};
    end
    for (r = 0; r < R; r = r + 1) begin : gen_extend
      assign pool_head[r*SUM_W +: SUM_W] =
        {{(SUM_W-POOL_W+1){head[r*POOL_W + POOL_W - 1]}}, head[r*POOL_W +: POOL_W-1]};
    end
  end else begin : gen_no_pool
    assign pool_trig = 1'b0;
    assign trig_div  = {PAW{1'b0}};
    assign pool_head = {(R*SUM_W){1'b0}};
    assign float_sum = {(R*FLOAT_N){1'b0}};
    assign factor    = {(8*R){1'b0}};
    wire unused_ok = &{1'b0, s3_tap, s3_first, pool_max, early_shift};
  end endgenerate

  // ---------------------------------------------------------------- post
  wire           post_we, post_rd;
  wire [NS-1:0]  post_slice;
  wire [AW-1:0]  post_waddr, post_raddr;
  wire [8*G-1:0] post_wdata;
  wire [8*W-1:0] b_data;
  o2c_post #(
    .W (W), .K (K), .R (R), .SUM_W (SUM_W), .ACC_W (ACC_W), .BIAS_W (BIAS_W), .MUL_W (MUL_W), .OFF_W (OFF_W),
    .SHIFT_W (SHIFT_W), .SHIFT_BASE (SHIFT_BASE), .SHIFT_MAX (SHIFT_MAX), .EXACT (EXACT), .AW (AW), .PDEPTH (PDEPTH), .NW (NW), .MW (MW),
    .HAS_TABLE (HAS_TABLE), .TABLE_W (TABLE_W), .TABLE_SHIFT (TABLE_SHIFT),
    .TABLE_WINDOW (TABLE_WINDOW), .FLOAT_W (FLOAT_W), .HAS_PRODUCT (HAS_PRODUCT), .SELECT_W (SELECT_W), .TDEPTH (TDEPTH), .EXT (EXT),
    .HAS_RING (HAS_RING),
    .PARAM_INIT (PARAM_INIT), .TABLE_A_INIT (TABLE_A_INIT), .TABLE_B_INIT (TABLE_B_INIT)
  ) u_post (
    .clk_i         (clk_i),
    .rst_ni        (rst_ni),
    .start_i       (start),
    .pool_i        (pool),
    .depthwise_i   (depthwise),
    .product_i     (product),
    .residual_i    (desc[32*0 + 2]),
    .table_i       (desc[32*0 + 3]),
    .q_lo_i        (desc[32*0 + 16 +: 8]),
    .q_hi_i        (desc[32*0 + 24 +: 8]),
    .y_lo_i        (desc[32*1 +: 8]),
    .y_hi_i        (desc[32*1 + 8 +: 8]),
    .table_odd_i   (desc[32*1 + 16]),
    .table_unsigned_i (desc[32*1 + 17]),
    .table_threshold_i (desc[32*1 + 18]),
    .table_index_i (desc[32*1 + 24 +: 8]),
    .gl_last_i     (desc[32*4 + 24 +: 8]),
    .vec_last_i    (desc[32*5 + 16 +: 8]),
    .kb_last_i     (desc[32*3 + 16 +: NW]),
    .pixels_i      (desc[32*21 +: MW]),
    .run_last_i    (desc[32*7 + 16 +: 16]),
    .out_base_i    (desc[32*19 +: AW]),
    .out_step_i    (out_step),
    .out_wrap_i    (desc[32*25 +: AW]),
    .out_plane_i   (desc[32*23 +: AW]),
    .ring_at_i     (desc[32*26 + 16 +: 16]),
    .out_around_i  (desc[32*28 +: AW]),
    .out_groups_i  (desc[32*18 + 16 +: 16]),
    .res_delta_i   (desc[32*20 +: AW]),
    .param_base_i  (param_base),
    .ext_we_i      (ext_we_param_i),
    .ext_addr_i    (ext_addr_i[PAW-1:0]),
    .ext_data_i    (ext_param_i),
    .trig_i        (array_trig | pool_trig),
    .trig_div_i    (trig_div),
    .shift_o       (chain_shift),
    .shift_early_o (early_shift),
    .head_i        (pool ? pool_head : array_head),
    .float_i       (float_sum),
    .factor_i      (factor),
    .we_o          (post_we),
    .slice_o       (post_slice),
    .waddr_o       (post_waddr),
    .wdata_o       (post_wdata),
    .rd_o          (post_rd),
    .raddr_o       (post_raddr),
    .rdata_i       (b_data),
    .done_o        (done)
  );
  wire [31:0] out_step_w = {16'd0, desc[32*24 +: 16]};
  wire [AW-1:0] out_step = out_step_w[AW-1:0];
  wire [31:0] param_base_w = {16'd0, desc[32*18 +: 16]};
  wire [PAW-1:0] param_base = param_base_w[PAW-1:0];
  wire unused_wide = &{1'b0, out_step_w, param_base_w};

  // ---------------------------------------------------------------- scratchpad
  o2c_scratchpad #(.W (W), .G (G), .DEPTH (DEPTH), .BANKS (BANKS)) u_scratchpad (
    .clk_i               (clk_i),
    .rst_ni              (rst_ni),
    .a_addr_i            (s1_addr),
    .a_pair_addr_i       (s1_pair_addr),
    .a_data_o            (a_data),
    .post_we_i           (post_we),
    .post_slice_i        (post_slice),
    .post_waddr_i        (post_waddr),
    .post_wdata_i        (post_wdata),
    .post_rd_i           (post_rd),
    .post_raddr_i        (post_raddr),
    .spill_valid_i       (spill_valid_i),
    .spill_we_i          (spill_we_i),
    .spill_ready_o       (spill_ready_o),
    .spill_addr_i        (spill_addr_i),
    .spill_data_i        (spill_data_i),
    .out_rd_valid_i      (out_rd_valid_i),
    .out_rd_ready_o      (out_rd_ready_o),
    .out_rd_addr_i       (out_rd_addr_i),
    .out_rd_data_valid_o (out_rd_data_valid_o),
    .in_wr_valid_i       (in_wr_valid_i),
    .in_wr_ready_o       (in_wr_ready_o),
    .in_wr_addr_i        (in_wr_addr_i),
    .in_wr_data_i        (in_wr_data_i),
    .b_data_o            (b_data)
  );
  assign out_rd_data_o = b_data;

  // ---------------------------------------------------------------- trace, for testbenches
`ifndef SYNTHESIS
  wire        trace_issue /* verilator public_flat_rd */ = issue;
  wire [15:0] trace_issue_layer /* verilator public_flat_rd */ = layer;
  wire        trace_done /* verilator public_flat_rd */ = out_done_o;
  wire        trace_busy /* verilator public_flat_rd */ = busy_o;
  wire        trace_clash /* verilator public_flat_rd */ = post_we & post_rd;
`else
  wire unused_trace = &{1'b0, issue, layer};
`endif
endmodule
`default_nettype wire
