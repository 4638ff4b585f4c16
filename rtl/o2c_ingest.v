`default_nettype none
// Lays a byte stream of one sample (rows, columns, channels) out in scratchpad words.
//
// Unfolded (FOLD_KW = 1): pixel i = y*IN_W + x takes NW = ceil(IN_C / W) words,
//   word BASE + i*NW + c/W, byte c mod W  =  stream byte of (y, x, c) ^ XOR
// Folded (FOLD_KW > 1): output column ow of row y takes NW = ceil(FOLD_KW*IN_C / W) words,
//   word BASE + (y*FOLD_OUT_W + ow)*NW + b/W, byte b mod W, b = kw*IN_C + c
//     =  stream byte of (y, ow*FOLD_STRIDE - FOLD_PAD_L + kw, c) ^ XOR,  or PAD_VALUE outside the
//        row
// Bytes of a word that stand for nothing are 0. Words are written in ascending order.
//
// Parameters (checked at elaboration)
//   W            bytes of a word, a power of two, 1..64
//   AW           address bits, 1..30; BASE + all words <= 2^AW
//   BASE         first word
//   IN_H, IN_W, IN_C   1..65535 each
//   XOR          0..255: 128 where the stream carries uint8, else 0
//   FOLD_KW      1..64; above 1: FOLD_KW*IN_C <= 256
//   FOLD_STRIDE, FOLD_OUT_W   1..65535      FOLD_PAD_L  0..65535      (heeded where FOLD_KW > 1)
//   PAD_VALUE    0..255: the zero point as a canonical byte
// Stream   s_*: transfer iff valid && ready; s_ready_o comes from registers alone. s_last_i belongs
//          on the last byte. Too early: the sample is dropped, err_short_o pulses, the next byte
//          starts a sample at BASE. Missing: the sample is taken, err_long_o pulses, bytes up to
//          and including s_last_i are thrown away.
// Write    wr_*: transfer iff valid && ready; wr_valid_o and the word hold until wr_ready_i and do
//          not depend on it.
// Region   full_o rises when the last word has been written and falls with free_i (a pulse while
//          full_o is high); between them nothing of the next sample is taken.
// Speed    one byte a cycle while wr_ready_i is high. Two bytes in three cycles where every byte
//          completes a word; a folded group of n words costs n - 1 cycles, a pad column IN_C.
// Reset    rst_ni synchronous, active low: empty, no write pending (a write not yet taken is
//          withdrawn).
//
//   clk_i       _/~\_/~\_/~\_/~\_/~\_/~\_/~\_/~\_      W = 2, IN_C = 2, two pixels
//   s_data_i    < a >< b >< c ><d:last>
//   wr_valid_o                 /~~~\___/~~~\_______
//   wr_data_o                  < ba>   < dc>
//   full_o      ___________________________/~~~~
module o2c_ingest #(
  parameter integer W           = 16,
  parameter integer AW          = 12,
  parameter integer BASE        = 0,
  parameter integer IN_H        = 32,
  parameter integer IN_W        = 32,
  parameter integer IN_C        = 3,
  parameter integer XOR         = 0,
  parameter integer FOLD_KW     = 1,
  parameter integer FOLD_STRIDE = 1,
  parameter integer FOLD_PAD_L  = 0,
  parameter integer FOLD_OUT_W  = 1,
  parameter integer PAD_VALUE   = 0
) (
  input  wire           clk_i,
  input  wire           rst_ni,
  // Byte stream
  input  wire           s_valid_i,
  output wire           s_ready_o,
  input  wire     [7:0] s_data_i,
  input  wire           s_last_i,
  // Scratchpad write port
  output wire           wr_valid_o,
  input  wire           wr_ready_i,
  output wire  [AW-1:0] wr_addr_o,
  output wire [8*W-1:0] wr_data_o,
  // Region
  output wire           full_o,
  input  wire           free_i,
  output wire           err_short_o,
  output wire           err_long_o
);

  localparam integer FOLDED = (FOLD_KW > 1) ? 1 : 0;
  localparam integer GROUP  = (FOLDED != 0) ? FOLD_KW * IN_C : IN_C;    // bytes of a group
  localparam integer NW     = (GROUP + W - 1) / W;                      // words of a group
  localparam integer OUT_W  = (FOLDED != 0) ? FOLD_OUT_W : IN_W;
  localparam integer WORDS  = IN_H * OUT_W * NW;
  // Columns visited in each row, pads included: up to the row's or the last group's end.
  localparam integer PAD_L  = (FOLDED != 0) ? FOLD_PAD_L : 0;
  localparam integer REACH  = (FOLDED != 0) ? (FOLD_OUT_W - 1) * FOLD_STRIDE + FOLD_KW : IN_W;
  localparam integer COLS   = (REACH > PAD_L + IN_W) ? REACH : PAD_L + IN_W;

  generate if (W < 1 || W > 64 || (W & (W - 1)) != 0 || AW < 1 || AW > 30 || IN_H < 1
               || IN_H > 65535 || IN_W < 1 || IN_W > 65535 || IN_C < 1 || IN_C > 65535
               || FOLD_KW < 1 || FOLD_KW > 64
               || (FOLDED != 0 && (GROUP > 256 || FOLD_STRIDE < 1 || FOLD_STRIDE > 65535
                                   || FOLD_OUT_W < 1 || FOLD_OUT_W > 65535
                                   || FOLD_PAD_L < 0 || FOLD_PAD_L > 65535))
               || XOR < 0 || XOR > 255 || PAD_VALUE < 0 || PAD_VALUE > 255
               || BASE < 0 || BASE + WORDS > (1 << AW)) begin : gen_bad_parameter
`ifdef VERILATOR
    $error("o2c_ingest: a parameter is outside its range, see the header");
`else
    o2c_ingest_ERROR_a_parameter_is_outside_its_range u_bad ();
`endif
  end endgenerate

  localparam integer Xor = XOR;
  localparam integer PadValue = PAD_VALUE;
  localparam integer C_W = (IN_C > 1) ? $clog2(IN_C) : 1;
  localparam integer X_W = (COLS > 1) ? $clog2(COLS) : 1;
  localparam integer Y_W = (IN_H > 1) ? $clog2(IN_H) : 1;
  localparam integer C_LAST = IN_C - 1;
  localparam integer X_LAST = COLS - 1;
  localparam integer X_REAL = PAD_L + IN_W - 1;  // the row's last pixel
  localparam integer Y_LAST = IN_H - 1;

  // ---- Control ----------------------------------------------------------------------------------
  localparam [1:0] Load = 2'd0, Drain = 2'd1, Full = 2'd2;
  reg [1:0]     state_q;
  reg           discard_q;  // bytes up to s_last_i are thrown away
  reg [C_W-1:0] c_q;
  reg [X_W-1:0] x_q;        // 0 is column -PAD_L
  reg [Y_W-1:0] y_q;
  reg           err_short_q, err_long_q;

  wire on_map;              // this column comes from the stream
  wire room;                // the front stage can take a byte
  wire front_busy;          // the front stage holds a group that is not yet handed on
  wire c_end = (c_q == C_LAST[C_W-1:0]);
  wire x_end = (x_q == X_LAST[X_W-1:0]);
  wire y_end = (y_q == Y_LAST[Y_W-1:0]);

  wire want  = (state_q == Load) && !discard_q && on_map && room;
  wire take  = s_valid_i && want;
  wire pad   = (state_q == Load) && !on_map && room;
  wire final_byte = c_end && y_end && (x_q == X_REAL[X_W-1:0]);
  wire too_short = take && s_last_i && !final_byte;
  wire too_long  = take && !s_last_i && final_byte;
  wire step  = (take && !too_short) || pad;          // a byte enters the front stage
  wire [7:0] value = on_map ? s_data_i ^ Xor[7:0] : PadValue[7:0];
  assign s_ready_o = want || discard_q;

  reg  wr_valid_q;
  wire slot = !wr_valid_q || wr_ready_i;         // a word can be handed on now

  always @(posedge clk_i) begin
    if (!rst_ni) begin
      state_q <= Load;
      discard_q <= 1'b0;
      c_q <= {C_W{1'b0}};
      x_q <= {X_W{1'b0}};
      y_q <= {Y_W{1'b0}};
      err_short_q <= 1'b0;
      err_long_q <= 1'b0;
    end else begin
      err_short_q <= too_short;
      err_long_q <= too_long;
      if (too_long) discard_q <= 1'b1;
      else if (discard_q && s_valid_i && s_last_i) discard_q <= 1'b0;

      if (too_short) begin
        c_q <= {C_W{1'b0}};
        x_q <= {X_W{1'b0}};
        y_q <= {Y_W{1'b0}};
      end else if (step) begin
        c_q <= c_end ? {C_W{1'b0}} : c_q + 1'b1;
        if (c_end) begin
          x_q <= x_end ? {X_W{1'b0}} : x_q + 1'b1;
          if (x_end) y_q <= y_end ? {Y_W{1'b0}} : y_q + 1'b1;
        end
      end

      case (state_q)
        Load:    if (step && c_end && x_end && y_end) state_q <= Drain;
        Drain:   if (!front_busy && slot) state_q <= Full;
        Full:    if (free_i) state_q <= Load;
        default: state_q <= Load;
      endcase
    end
  end
  assign full_o      = (state_q == Full);
  assign err_short_o = err_short_q;
  assign err_long_o  = err_long_q;

  // ---- Front stage: collects a word or a group --------------------------------------------------
  wire           hand;       // front_word goes to the write port in this cycle
  wire [8*W-1:0] front_word;

  generate if (FOLDED == 0) begin : gen_word
    localparam integer L_W = (W > 1) ? $clog2(W) : 1;
    localparam integer LaneLast = W - 1;
    reg [8*W-1:0] word_q;
    reg [L_W-1:0] lane_q;
    reg           done_q;    // word_q is complete
    wire done = step && (c_end || lane_q == LaneLast[L_W-1:0]);
    assign on_map = 1'b1;
    assign room = !done_q || !wr_valid_q;
    assign front_busy = done_q;
    assign hand = done_q && slot;
    assign front_word = word_q;
    always @(posedge clk_i) begin
      if (!rst_ni || too_short) begin
        lane_q <= {L_W{1'b0}};
        done_q <= 1'b0;  // a byte is taken only where done_q is handed on in the same cycle
      end else begin
        if (done) lane_q <= {L_W{1'b0}};
        else if (step) lane_q <= lane_q + 1'b1;
        done_q <= done || (done_q && !hand);
      end
    end
    genvar i;
    for (i = 0; i < W; i = i + 1) begin : gen_lane
      localparam integer Lane = i;
      always @(posedge clk_i) begin
        if (step) begin
          if (lane_q == Lane[L_W-1:0]) word_q[8*i+7 : 8*i] <= value;
          else if (lane_q == {L_W{1'b0}}) word_q[8*i+7 : 8*i] <= 8'h00;
        end
      end
    end
  end else begin : gen_window
    // The last FOLD_KW columns, oldest byte lowest; a byte moves in at the top.
    localparam integer N_W = (NW > 1) ? $clog2(NW) : 1;
    localparam integer S_MAX = (FOLD_STRIDE > FOLD_KW) ? FOLD_STRIDE : FOLD_KW;
    localparam integer S_W = $clog2(S_MAX + 1);
    localparam integer G_W = $clog2(FOLD_OUT_W + 1);
    localparam integer NwLast = NW - 1;
    localparam integer FirstAt = FOLD_KW - 1;
    localparam integer NextAt = FOLD_STRIDE - 1;
    localparam integer Groups = FOLD_OUT_W;
    localparam integer PadL = FOLD_PAD_L;
    reg [8*GROUP-1:0] window_q;
    reg               emit_q;   // window_q is a complete group
    reg [N_W-1:0]     n_q;      // its next word
    reg [S_W-1:0]     wait_q;   // columns until the next group is complete
    reg [G_W-1:0]     left_q;   // groups left in this row
    wire emit_end = (n_q == NwLast[N_W-1:0]);
    wire column = step && c_end;
    wire complete = column && (wait_q == {S_W{1'b0}}) && (left_q != {G_W{1'b0}});

    if (PAD_L == 0) begin : gen_no_left
      assign on_map = (x_q <= X_REAL[X_W-1:0]);
    end else begin : gen_left
      assign on_map = (x_q >= PadL[X_W-1:0]) && (x_q <= X_REAL[X_W-1:0]);
    end
    assign room = !emit_q || (emit_end && !wr_valid_q);
    assign front_busy = emit_q;
    assign hand = emit_q && slot;

    always @(posedge clk_i) begin
      if (step) window_q <= {value, window_q[8*GROUP-1 : 8]};
      if (!rst_ni || too_short) begin
        wait_q <= FirstAt[S_W-1:0];
        left_q <= Groups[G_W-1:0];
      end else if (column && x_end) begin
        wait_q <= FirstAt[S_W-1:0];
        left_q <= Groups[G_W-1:0];
      end else if (column) begin
        wait_q <= (wait_q == {S_W{1'b0}}) ? NextAt[S_W-1:0] : wait_q - 1'b1;
        if (complete) left_q <= left_q - 1'b1;
      end
      if (!rst_ni) begin
        emit_q <= 1'b0;
        n_q <= {N_W{1'b0}};
      end else begin
        emit_q <= complete || (emit_q && !(hand && emit_end));
        if (hand) n_q <= emit_end ? {N_W{1'b0}} : n_q + 1'b1;
      end
    end

    wire [8*W*NW-1:0] padded;
    if (W * NW > GROUP) begin : gen_zeros
      assign padded = {{(8 * (W * NW - GROUP)){1'b0}}, window_q};
    end else begin : gen_exact
      assign padded = window_q;
    end
    if (NW > 1) begin : gen_select
      assign front_word = padded[8*W*n_q +: 8*W];
    end else begin : gen_single
      assign front_word = padded;
    end
  end endgenerate

  // ---- Write port -------------------------------------------------------------------------------
  reg  [AW-1:0]  next_q, addr_q;
  reg  [8*W-1:0] data_q;
  localparam integer Base = BASE;
  always @(posedge clk_i) begin
    if (!rst_ni) begin
      wr_valid_q <= 1'b0;
      next_q <= Base[AW-1:0];
    end else begin
      wr_valid_q <= hand || (wr_valid_q && !wr_ready_i);
      // A dropped sample and a new one both start over.
      if (too_short || state_q == Full) next_q <= Base[AW-1:0];
      else if (hand) next_q <= next_q + 1'b1;
    end
    if (hand) begin
      addr_q <= next_q;
      data_q <= front_word;
    end
  end
  assign wr_valid_o = wr_valid_q;
  assign wr_addr_o  = addr_q;
  assign wr_data_o  = data_q;

endmodule
`default_nettype wire
