`default_nettype none
// Lays a byte stream of one sample (rows, columns, channels) out in scratchpad words.
//
//   word n of pixel i stands at BASE + i*PIXEL_STEP + n*WORD_STEP, n = 0 .. NW-1
// Unfolded (FOLD_KH = FOLD_KW = 1): i = y*IN_W + x, NW = ceil(IN_C / W),
//   byte c mod W of word c/W  =  stream byte of (y, x, c) ^ XOR
// Folded: a pixel is the window of a convolution, NW = ceil(FOLD_KH*FOLD_KW*IN_C / W),
//   i = oh*FOLD_OUT_W + ow, byte b mod W of word b/W, b = (kh*FOLD_KW + kw)*IN_C + c
//     =  stream byte of (oh*FOLD_STRIDE_H - FOLD_PAD_T + kh, ow*FOLD_STRIDE - FOLD_PAD_L + kw, c)
//        ^ XOR, or PAD_VALUE outside the map
//   where FOLD_KH = 1: for each of the IN_H rows; the other parameters of rows are not heeded.
// With RING > 0 the region holds RING rows of pixels at a time: row y stands where row y mod RING would, and is written
// once y < freed_i + RING. freed_i counts the sample's rows that nobody needs; it rises while the sample is taken.
// Bytes of a word that stand for nothing are 0. Pixels are written in ascending order, and so are
// the words of a pixel.
//
// Parameters (checked at elaboration)
//   W            bytes of a word, a power of two, 1..64
//   LANES        bytes taken at once, a power of two, 1..W
//   AW           address bits, 1..30; all words lie below 2^AW
//   BASE         first word
//   PIXEL_STEP, WORD_STEP   1..2^AW; no two words may share an address: the words of a pixel lie
//                between two pixels, or the pixels between two words of a pixel
//   IN_H, IN_W, IN_C   1..65535 each
//   XOR          0..255: 128 where the stream carries uint8, else 0
//   FOLD_KH, FOLD_KW   1..64; above 1: FOLD_KH*FOLD_KW*IN_C <= 256
//   FOLD_STRIDE_H, FOLD_STRIDE, FOLD_OUT_H, FOLD_OUT_W   1..65535
//   FOLD_PAD_T, FOLD_PAD_L   0..65535
//   RING         0: the region holds the whole sample; 1..65535: so many of its rows, fewer than it has
//   PAD_VALUE    0..255: the zero point as a canonical byte
//   MORE         1: the packet goes on behind these bytes, so that s_last_i belongs on none of them; then RING is 0
// Stream   s_*: transfer iff valid && ready, of s_want_o bytes, or of the packet's last ones if these are fewer:
//          s_keep_i says which are bytes of the packet, see o2c_axis_unpack. s_ready_o and s_want_o come from
//          registers alone. A pixel is taken in T = ceil(IN_C / LANES) takes, the last one of what is left of it.
//          s_last_i belongs on the sample's last take. Too early, or with fewer bytes: the sample is dropped,
//          err_short_o pulses, the next byte starts a sample at BASE; with RING and begun_i high, canonical zeros
//          complete it first and spoilt_o pulses, a cycle after the take. Missing: the sample is taken, err_long_o
//          pulses, bytes up to and including s_last_i are thrown away; discard_o is high meanwhile. drop_o is high
//          in the cycle in which a sample is dropped.
// Write    wr_*: transfer iff valid && ready; wr_valid_o and the word hold until wr_ready_i and do
//          not depend on it.
// Region   full_o rises when the last word has been written and falls with free_i (a pulse while
//          full_o is high); between them nothing of the next sample is taken. rows_o counts the sample's rows that
//          have been written, the last one when full_o rises; it is 0 again in the cycle after free_i. Without RING
//          it is 0.
// Speed    while wr_ready_i is high: a take a cycle; folded, a group may let bytes wait, see
//          o2c_fold. From the cycle of the first take, full_o rises after
//            unfolded  IN_H*IN_W*T + 2 cycles
//            folded    t(n) + E(n) + 1 cycles, t, E and n being o2c_fold's; one more where the
//                      last column completes a group
// Reset    rst_ni synchronous, active low: empty, no write pending (a write not yet taken is
//          withdrawn).
//
//   clk_i       _/~\_/~\_/~\_/~\_/~\_/~\_/~\_/~\_      W = 2, LANES = 1, IN_C = 2, two pixels
//   s_data_i    < a >< b >< c ><d:last>
//   wr_valid_o                 /~~~\___/~~~\_______
//   wr_data_o                  < ba>   < dc>
//   full_o      ___________________________/~~~~
module o2c_ingest #(
  parameter integer W             = 16,
  parameter integer LANES         = 1,
  parameter integer AW            = 12,
  parameter integer BASE          = 0,
  parameter integer PIXEL_STEP    = 1,
  parameter integer WORD_STEP     = 1,
  parameter integer IN_H          = 32,
  parameter integer IN_W          = 32,
  parameter integer IN_C          = 3,
  parameter integer XOR           = 0,
  parameter integer FOLD_KH       = 1,
  parameter integer FOLD_KW       = 1,
  parameter integer FOLD_STRIDE_H = 1,
  parameter integer FOLD_STRIDE   = 1,
  parameter integer FOLD_PAD_T    = 0,
  parameter integer FOLD_PAD_L    = 0,
  parameter integer FOLD_OUT_H    = 1,
  parameter integer FOLD_OUT_W    = 1,
  parameter integer RING          = 0,
  parameter integer PAD_VALUE     = 0,
  parameter integer MORE          = 0
) (
  input  wire                           clk_i,
  input  wire                           rst_ni,
  // Byte stream
  input  wire                           s_valid_i,
  output wire                           s_ready_o,
  output wire   [$clog2(LANES+1)-1 : 0] s_want_o,
  input  wire             [8*LANES-1:0] s_data_i,
  input  wire               [LANES-1:0] s_keep_i,
  input  wire                           s_last_i,
  // Scratchpad write port
  output wire                           wr_valid_o,
  input  wire                           wr_ready_i,
  output wire                  [AW-1:0] wr_addr_o,
  output wire                 [8*W-1:0] wr_data_o,
  // Region
  output wire                           full_o,
  output wire                    [15:0] rows_o,
  input  wire                    [15:0] freed_i,
  input  wire                           begun_i,     // somebody computes on the sample that is being taken
  input  wire                           free_i,
  output wire                           spoilt_o,
  output wire                           drop_o,
  output wire                           discard_o,
  output wire                           err_short_o,
  output wire                           err_long_o
);

  localparam integer FOLDED = (FOLD_KH > 1 || FOLD_KW > 1) ? 1 : 0;
  localparam integer NW     = (FOLD_KH * FOLD_KW * IN_C + W - 1) / W;  // words of a pixel
  localparam integer OUT_H  = (FOLD_KH > 1) ? FOLD_OUT_H : IN_H;
  localparam integer OUT_W  = (FOLDED != 0) ? FOLD_OUT_W : IN_W;
  // From the first pixel to the last, from a pixel's first word to its last.
  localparam integer PIXELS_SPAN = ((RING > 0 ? RING : OUT_H) * OUT_W - 1) * PIXEL_STEP;
  localparam integer WORDS_SPAN  = (NW - 1) * WORD_STEP;

  generate if (W < 1 || W > 64 || (W & (W - 1)) != 0 || LANES < 1 || LANES > W || (LANES & (LANES - 1)) != 0
               || AW < 1 || AW > 30 || IN_H < 1 || IN_H > 65535 || IN_W < 1 || IN_W > 65535 || IN_C < 1 || IN_C > 65535
               || XOR < 0 || XOR > 255 || PAD_VALUE < 0 || PAD_VALUE > 255
               || FOLD_KH < 1 || FOLD_KW < 1 || PIXEL_STEP < 1 || PIXEL_STEP > (1 << AW)
               || WORD_STEP < 1 || WORD_STEP > (1 << AW)
               || (PIXEL_STEP <= WORDS_SPAN && WORD_STEP <= PIXELS_SPAN)
               || BASE < 0 || RING < 0 || (RING > 0 && RING >= OUT_H) || MORE < 0 || MORE > 1 || (MORE > 0 && RING > 0)
               || BASE + PIXELS_SPAN + WORDS_SPAN >= (1 << AW)) begin : gen_bad_parameter
`ifdef VERILATOR
    $error("o2c_ingest: a parameter is outside its range, see the header");
`else
    o2c_ingest_ERROR_a_parameter_is_outside_its_range u_bad ();
`endif
  end endgenerate

  localparam integer Xor = XOR;
  localparam integer TAKES = (IN_C + LANES - 1) / LANES;  // of a pixel
  localparam integer REST  = IN_C - (TAKES - 1) * LANES;  // bytes of its last one
  localparam integer C_W = (TAKES > 1) ? $clog2(TAKES) : 1;
  localparam integer X_W = (IN_W > 1) ? $clog2(IN_W) : 1;
  localparam integer Y_W = (IN_H > 1) ? $clog2(IN_H) : 1;
  localparam integer CLast = TAKES - 1;
  localparam integer WANT_W = $clog2(LANES + 1);
  localparam integer Lanes = LANES;
  localparam integer Rest  = REST;
  localparam integer XLast = IN_W - 1;
  localparam integer YLast = IN_H - 1;

  // ---- Control ----------------------------------------------------------------------------------
  localparam [1:0] Load = 2'd0, Drain = 2'd1, Full = 2'd2;
  reg [1:0]     state_q;
  reg           discard_q;  // bytes up to s_last_i are thrown away
  reg [C_W-1:0] c_q;
  reg [X_W-1:0] x_q;
  reg [Y_W-1:0] y_q;
  reg           err_short_q, err_long_q;
  reg           fill_q;     // zeros complete the sample
  reg           spoilt_q;

  wire room;                // the front stage can take bytes
  wire front_busy;          // the front stage holds a part of the sample
  wire write_room;          // the write port can take a word
  wire c_end = (c_q == CLast[C_W-1:0]);
  wire x_end = (x_q == XLast[X_W-1:0]);
  wire y_end = (y_q == YLast[Y_W-1:0]);

  wire want  = (state_q == Load) && !discard_q && room;
  wire take  = (s_valid_i || fill_q) && want;
  wire final_take = c_end && x_end && y_end;
  // All that are wanted; the first is always there.
  wire whole     = c_end ? REST == 1 || s_keep_i[REST-1] : LANES == 1 || s_keep_i[LANES-1];
  wire early     = take && !fill_q && s_last_i && (!final_take || !whole || MORE != 0);
  wire spoils    = RING > 0 && early && begun_i;
  wire too_short = early && !spoils;
  wire too_long  = take && !fill_q && !s_last_i && final_take && MORE == 0;
  assign s_ready_o = (want && !fill_q) || discard_q;
  assign s_want_o  = c_end ? Rest[WANT_W-1:0] : Lanes[WANT_W-1:0];
  // Zeros behind a pixel's last byte, and behind the packet's.
  wire [8*LANES-1:0] value;
  genvar j;
  generate for (j = 0; j < LANES; j = j + 1) begin : gen_value
    wire there = !fill_q && (j < REST || !c_end) && (j == 0 || RING == 0 || s_keep_i[j]);
    assign value[8*j +: 8] = there ? s_data_i[8*j +: 8] ^ Xor[7:0] : 8'd0;
  end endgenerate
  // The last word is being written, or has been.
  wire written = !front_busy && write_room && (!wr_valid_o || wr_ready_i);

  always @(posedge clk_i) begin
    if (!rst_ni) begin
      state_q <= Load;
      discard_q <= 1'b0;
      c_q <= {C_W{1'b0}};
      x_q <= {X_W{1'b0}};
      y_q <= {Y_W{1'b0}};
      err_short_q <= 1'b0;
      spoilt_q <= 1'b0;
      fill_q <= 1'b0;
      err_long_q <= 1'b0;
    end else begin
      err_short_q <= early;
      spoilt_q <= spoils;
      fill_q <= (spoils && !final_take) || (fill_q && !(take && final_take));
      err_long_q <= too_long;
      if (too_long) discard_q <= 1'b1;
      else if (discard_q && s_valid_i && s_last_i) discard_q <= 1'b0;

      if (too_short) begin
        c_q <= {C_W{1'b0}};
        x_q <= {X_W{1'b0}};
        y_q <= {Y_W{1'b0}};
      end else if (take) begin
        c_q <= c_end ? {C_W{1'b0}} : c_q + 1'b1;
        if (c_end) x_q <= x_end ? {X_W{1'b0}} : x_q + 1'b1;
        if (c_end && x_end) y_q <= y_end ? {Y_W{1'b0}} : y_q + 1'b1;
      end

      case (state_q)
        Load:    if (take && final_take && !too_short) state_q <= Drain;
        Drain:   if (written) state_q <= Full;
        Full:    if (free_i) state_q <= Load;
        default: state_q <= Load;
      endcase
    end
  end
  assign full_o      = (state_q == Full);
  assign spoilt_o    = spoilt_q;
  assign drop_o      = too_short;
  assign discard_o   = discard_q;
  assign err_short_o = err_short_q;
  assign err_long_o  = err_long_q;

  // ---- Front stage: collects words --------------------------------------------------------------
  wire           front_valid;
  wire [8*W-1:0] front_word;
  wire           front_end;  // it is its pixel's last
  wire admit;               // there is a place for it
  wire hand = front_valid && admit && write_room;

  generate if (FOLDED == 0) begin : gen_word
    localparam integer PLACES = W / LANES;
    localparam integer P_W = (PLACES > 1) ? $clog2(PLACES) : 1;
    localparam integer PlaceLast = PLACES - 1;
    reg [8*W-1:0] word_q;
    reg [P_W-1:0] place_q;   // where the next take goes
    reg           done_q;    // word_q is complete
    reg           end_q;
    wire done = take && (c_end || place_q == PlaceLast[P_W-1:0]);
    assign room = !done_q || (write_room && admit);
    assign front_busy = done_q;
    assign front_valid = done_q;
    assign front_word = word_q;
    assign front_end = end_q;
    always @(posedge clk_i) begin
      if (!rst_ni || too_short) begin
        place_q <= {P_W{1'b0}};
        done_q <= 1'b0;  // a byte is taken only where done_q is handed on in the same cycle
      end else begin
        if (done) place_q <= {P_W{1'b0}};
        else if (take) place_q <= place_q + 1'b1;
        done_q <= done || (done_q && !hand);
      end
      if (take) end_q <= c_end;
    end
    genvar i;
    for (i = 0; i < PLACES; i = i + 1) begin : gen_place
      localparam integer Place = i;
      always @(posedge clk_i) begin
        if (take) begin
          if (place_q == Place[P_W-1:0]) word_q[8*LANES*i +: 8*LANES] <= value;
          else if (place_q == {P_W{1'b0}}) word_q[8*LANES*i +: 8*LANES] <= {LANES{8'h00}};
        end
      end
    end
  end else begin : gen_fold
    o2c_fold #(
      .W(W), .LANES(LANES), .IN_H(IN_H), .IN_W(IN_W), .IN_C(IN_C), .KH(FOLD_KH), .KW(FOLD_KW),
      .STRIDE_H(FOLD_KH > 1 ? FOLD_STRIDE_H : 1), .STRIDE_W(FOLD_STRIDE),
      .PAD_T(FOLD_KH > 1 ? FOLD_PAD_T : 0), .PAD_L(FOLD_PAD_L), .OUT_H(OUT_H), .OUT_W(OUT_W),
      .PAD_VALUE(PAD_VALUE)
    ) u_fold (
      .clk_i(clk_i), .rst_ni(rst_ni), .clear_i(too_short),
      .s_valid_i(take), .s_ready_o(room), .s_data_i(value), .s_end_i(c_end),
      .m_valid_o(front_valid), .m_ready_i(write_room && admit), .m_data_o(front_word), .m_end_o(front_end),
      .busy_o(front_busy)
    );
  end endgenerate

  // ---- Write port -------------------------------------------------------------------------------
  localparam integer Base = BASE;
  localparam integer PixelStep = PIXEL_STEP;
  localparam integer WordStep = WORD_STEP;
  reg  [AW-1:0] pixel_q, addr_q;  // where the pixel begins, where its next word goes
  wire          begin_again = !rst_ni || too_short || state_q == Full;
  wire          row_end, ring_end;  // the word is a row's last; the ring's last
  wire [AW-1:0] pixel_next = ring_end ? Base[AW-1:0] : pixel_q + PixelStep[AW-1:0];
  always @(posedge clk_i) begin
    // A dropped sample and a new one both start over.
    if (begin_again) begin
      pixel_q <= Base[AW-1:0];
      addr_q <= Base[AW-1:0];
    end else if (hand) begin
      if (front_end) pixel_q <= pixel_next;
      addr_q <= front_end ? pixel_next : addr_q + WordStep[AW-1:0];
    end
  end

  // The write that waits is a row's last.
  wire wr_row_end;
  generate if (RING > 0) begin : gen_ring
    localparam integer O_W = (OUT_W > 1) ? $clog2(OUT_W) : 1;
    localparam integer R_W = (RING > 1) ? $clog2(RING) : 1;
    localparam integer OutLast = OUT_W - 1;
    localparam integer RingLast = RING - 1;
    localparam integer Ring = RING;
    localparam integer OutH = OUT_H;
    reg [O_W-1:0] column_q;
    reg [R_W-1:0] slot_q;
    reg [15:0]    row_q, rows_q;
    reg [1:0]     held_q, stale_q;  // words that wait for the write port; of those a dropped sample's
    wire          sent = wr_valid_o && wr_ready_i;
    wire [1:0]    held = held_q + {1'b0, hand} - {1'b0, sent};
    assign row_end  = front_end && column_q == OutLast[O_W-1:0];
    assign ring_end = row_end && slot_q == RingLast[R_W-1:0];
    assign admit    = {1'b0, row_q} < {1'b0, freed_i} + Ring[16:0];
    // A map's last rows may be in no window: who has the last row may free the region.
    assign rows_o   = (rows_q == OutH[15:0] && !full_o) ? OutH[15:0] - 16'd1 : rows_q;
    always @(posedge clk_i) begin
      if (begin_again) begin
        column_q <= {O_W{1'b0}};
        slot_q <= {R_W{1'b0}};
        row_q <= 16'd0;
      end else if (hand && front_end) begin
        column_q <= row_end ? {O_W{1'b0}} : column_q + 1'b1;
        if (row_end) begin
          row_q <= row_q + 16'd1;
          slot_q <= ring_end ? {R_W{1'b0}} : slot_q + 1'b1;
        end
      end
      if (!rst_ni || too_short || (state_q == Full && free_i)) rows_q <= 16'd0;
      else if (sent && wr_row_end && stale_q == 2'd0) rows_q <= rows_q + 16'd1;
      if (!rst_ni) begin
        held_q <= 2'd0;
        stale_q <= 2'd0;
      end else begin
        held_q <= held;
        if (too_short) stale_q <= held;
        else if (sent && stale_q != 2'd0) stale_q <= stale_q - 2'd1;
      end
    end
  end else begin : gen_whole
    assign row_end  = 1'b0;
    assign ring_end = 1'b0;
    assign admit    = 1'b1;
    assign rows_o   = 16'd0;
    wire unused_ring = &{1'b0, freed_i, wr_row_end};
  end endgenerate
  o2c_skid #(.DATA_W(AW + 8*W + 1)) u_skid (
    .clk_i(clk_i), .rst_ni(rst_ni),
    .s_valid_i(front_valid && admit), .s_ready_o(write_room), .s_data_i({row_end, addr_q, front_word}),
    .m_valid_o(wr_valid_o), .m_ready_i(wr_ready_i), .m_data_o({wr_row_end, wr_addr_o, wr_data_o})
  );

endmodule
`default_nettype wire
