`default_nettype none
// The output-stationary array: P pixels x K output channels x dot-C.
//
//   acc[p][k] = sum over steps, j, c of  x[p][j*C + c] * w[k][c]      (signed, modulo 2^ACC_W)
//
// A step is P scratchpad words of W = P*C channels, one for each of P pixels, arriving one a cycle. When the
// last of them arrives, all P move to the rows together; each row then works on its word for P cycles,
// C channels a cycle, while the next P words arrive. K*C weights a cycle are shared by the rows.
//
// With HAS_SLIDE also depthwise sums, W products of each channel a cycle:
//
//   sum[k] = sum over lanes l < W of  t[l][k] * w[l / C][k][l mod C],   k < W
//
// t[l] is the window's word at row l/4, column l mod 4, or the pad value where the row is outside the map. The
// window is W/4 rows of four words; it moves up by one row (four words arrive) or two (eight; BANKS = 8). Every
// array row keeps weights of its own: in an array layer all take weight_i every cycle, in a depthwise layer the
// one that weight_row_i names.
//
// With PSUM_DEPTH > 0 a depthwise sum may take several passes, each with a part of its products: a memory keeps that
// many partial sums of W channels. With mac_valid_i, psum_add_i adds the one at psum_index_i, and psum_more_i keeps the
// result there for the next pass, which comes 4 cycles later or more.
//
// P, C, K  1 ..     powers of two
// XB       1 .. 16  bits of a signed x, that is of a word's channel
// WB       1 .. 9   bits of a signed weight
// BIPOLAR_X, BIPOLAR_W   1: one bit, 0 stands for -1 and 1 for 1 (XB = 1, WB = 1; with MUL_STYLE = 1)
// MUL_STYLE         0: products by `*`; 1: in LUTs; 2: packed into wide multipliers (K >= 2; widths see o2c_dot; not
//                   with HAS_SLIDE, whose depthwise products share no factor). Sums and cycles are the same.
// ACC_W             bits of an accumulator, above XB + WB + log2(C); the planner proves that the final sum fits
// R        1 .. K   values that leave the drain chain in a cycle; K a multiple of R
//
//   word_i, word_shift_i  the word enters the staging chain
//   word_last_i           with word_shift_i: the step's last word, the rows take over
//   weight_i              weights of this cycle; the rows' data of one step are used in the P cycles
//                         after word_last_i
//   mac_first_i           this cycle's products start a new sum
//   drain_load_i          the chain takes all P*K sums; 3 + log2(C) cycles after the sum's last mac cycle (one more
//                         with HAS_SLIDE; depthwise log2(P) more), see o2c_engine
//   drain_shift_i         the chain moves on by R values
//   head_o                R sums, pixel-major, channel ascending
//   depthwise_i           which of the two, stable while a layer runs
//   window_i              the words that arrive, columns outside the map already pads; window_shift_i takes four of
//                         them (window_pair_i: eight, the second row from word 4 on)
//   window_rows_i         rows of the window that are inside the map, one cycle after the window's last shift
//   weight_row_i          one bit a row: its weights are replaced
//
// Products are registered, then log2(C) registered adder levels, then the accumulator; o2c_dot keeps the same latency
// with stages of its own. MUL_STYLE 0 stands in this file, since a simulation of instances is several times slower.
// No reset: the datapath is flushed by mac_first_i.
module o2c_mac_array #(
  parameter integer P     = 4,
  parameter integer C     = 4,
  parameter integer K     = 16,
  parameter integer XB    = 8,
  parameter integer WB    = 8,
  parameter integer BIPOLAR_X = 0,
  parameter integer BIPOLAR_W = 0,
  parameter integer MUL_STYLE = 0,
  parameter integer ACC_W = 24,
  parameter integer R     = 4,
  parameter integer HAS_SLIDE = 0,
  parameter integer BANKS = 1,
  parameter integer PSUM_DEPTH = 0,
  localparam integer IW   = PSUM_DEPTH > 1 ? $clog2(PSUM_DEPTH) : 1,
  localparam integer W    = P * C,
  localparam integer LR   = W > 4 ? W / 4 : 1,
  localparam integer LC   = $clog2(C)
) (
  input  wire                 clk_i,
  input  wire [XB*W-1:0]      word_i,
  input  wire                 word_shift_i,
  input  wire                 word_last_i,
  input  wire [K*C*WB-1:0]    weight_i,
  input  wire                 mac_valid_i,
  input  wire                 mac_first_i,
  input  wire                 depthwise_i,
  input  wire [XB*W*BANKS-1:0] window_i,
  input  wire                 window_shift_i,
  input  wire                 window_pair_i,
  input  wire [LR-1:0]        window_rows_i,
  input  wire [XB-1:0]        pad_value_i,
  input  wire [P-1:0]         weight_row_i,
  input  wire [IW-1:0]        psum_index_i,
  input  wire                 psum_add_i,
  input  wire                 psum_more_i,
  input  wire                 drain_load_i,
  input  wire                 drain_shift_i,
  output wire [R*ACC_W-1:0]   head_o
);
  localparam integer N  = P * K;
  localparam integer TW = XB + WB + LC;
  localparam integer LP = $clog2(P);

  generate if (P != (1 << $clog2(P)) || C != (1 << LC) || K != (1 << $clog2(K)) || WB < 1 || WB > 9
               || XB < 1 || XB > 16 || MUL_STYLE < 0 || MUL_STYLE > 2 || (MUL_STYLE == 2 && (HAS_SLIDE != 0 || K < 2))
               || (MUL_STYLE != 1 && (BIPOLAR_X != 0 || BIPOLAR_W != 0))
               || ACC_W <= XB + WB + LC || R > K || (K % R) != 0
               || (HAS_SLIDE != 0 && (K < W || W < 8 || BANKS < 4 || ACC_W <= XB + WB + LC + LP))
               || (HAS_SLIDE == 0 && PSUM_DEPTH != 0)) begin : gen_bad
`ifdef VERILATOR
    $error("o2c_mac_array: P, C, K powers of two, XB 1 to 16, WB 1 to 9, ACC_W above XB+WB+log2(C), see header");
`else
    o2c_mac_array_ERROR_parameters_see_header u_bad ();
`endif
  end endgenerate

  // Control follows the products and the tree.
  localparam integer LEVELS = HAS_SLIDE != 0 ? LC + LP : LC;
  reg [LEVELS:0] valid_q, first_q;
  wire acc_valid = HAS_SLIDE != 0 && depthwise_i ? valid_q[LEVELS] : valid_q[LC];
  // The next cycle's sums start anew.
  wire acc_fresh = LC > 0 ? valid_q[LC > 0 ? LC-1 : 0] & first_q[LC > 0 ? LC-1 : 0] : mac_valid_i & mac_first_i;
  integer d;
  always @(posedge clk_i) begin
    valid_q[0] <= mac_valid_i;
    first_q[0] <= mac_first_i;
    for (d = 1; d <= LEVELS; d = d + 1) begin
      valid_q[d] <= valid_q[d-1];
      first_q[d] <= first_q[d-1];
    end
  end

  // Partial sums: the one that a pass adds to, of the lanes that a depthwise layer uses.
  localparam integer QN = HAS_SLIDE != 0 && PSUM_DEPTH > 0 ? W : 1;
  wire [QN*ACC_W-1:0] psum;
  reg  [QN*ACC_W-1:0] psum_q;
  generate if (PSUM_DEPTH > 0) begin : gen_psum
    reg [IW-1:0]     index_q [0:LEVELS+1];
    reg [LEVELS:0]   add_q, more_q;
    reg              keep;
    integer e;
    always @(posedge clk_i) begin
      index_q[0] <= psum_index_i;
      for (e = 1; e <= LEVELS + 1; e = e + 1) index_q[e] <= index_q[e-1];
      add_q  <= {add_q[LEVELS-1:0], psum_add_i};
      more_q <= {more_q[LEVELS-1:0], psum_more_i};
      keep   <= acc_valid & depthwise_i & more_q[LEVELS];
    end
    wire [QN*ACC_W-1:0] kept;
    o2c_ram_sdp #(.WIDTH (QN * ACC_W), .DEPTH (PSUM_DEPTH)) u_psum (
      .clk_i    (clk_i),
      .r_addr_i (index_q[LEVELS-2]),
      .r_data_o (kept),
      .w_en_i   (keep),
      .w_addr_i (index_q[LEVELS+1]),
      .w_data_i (psum_q)
    );
    assign psum = add_q[LEVELS] ? kept : {(QN*ACC_W){1'b0}};
  end else begin : gen_no_psum
    assign psum = {(QN*ACC_W){1'b0}};
    wire unused_psum = &{1'b0, psum, psum_q, psum_index_i, psum_add_i, psum_more_i};
  end endgenerate

  (* mem2reg *) reg [XB*W-1:0] stage [0:P-1];  // index P-1 is unused
  (* mem2reg *) reg [XB*W-1:0] row [0:P-1];
  // Adder trees in heap order: node 1 is the root, nodes C .. 2C-1 the products.
  (* mem2reg *) reg signed [TW-1:0]    node [0:2*C*N-1];
  (* mem2reg *) reg signed [ACC_W-1:0] acc [0:N-1];
  (* mem2reg *) reg signed [ACC_W-1:0] part [0:N-1];       // acc, or 0 where a sum starts: no gates before the adder
  (* mem2reg *) reg signed [ACC_W-1:0] chain [0:N-1];
  (* mem2reg *) reg signed [WB-1:0]    weight [0:K*C-1];  // of this cycle, not a register
  // With HAS_SLIDE: the window, operands and weights of every multiplier, and the trees over the array's rows.
  localparam integer SN = HAS_SLIDE != 0 ? C * N : 1;
  localparam integer SW = HAS_SLIDE != 0 ? W : 1;
  localparam integer SX = HAS_SLIDE != 0 && P > 1 ? 2 * N : 1;
  (* mem2reg *) reg [XB*W-1:0]         window [0:SW-1];
  (* mem2reg *) reg signed [XB-1:0]    operand [0:SN-1];
  (* mem2reg *) reg signed [WB-1:0]    held [0:SN-1];
  (* mem2reg *) reg signed [ACC_W-1:0] rows_sum [0:SX-1];    // heap order too; leaves P .. 2P-1 are no registers
  // With MUL_STYLE other than 0: what the multipliers take, and the sums of C products.
  localparam integer XN = HAS_SLIDE != 0 ? SN : P * C;
  reg  [XN*XB-1:0] x_q;
  reg  [SN*WB-1:0] w_q;
  wire [N*TW-1:0]  sums;
  reg [R*ACC_W-1:0] head_q;                               // chain[0 .. R-1]
  assign head_o = head_q;

  // Registers all the same: each is read before it is assigned, from the pipeline's end to its start. Verilator
  // takes no non-blocking assignment to an array in a long loop, and runs this form several times faster. Nothing
  // outside this block reads the arrays.
  /* verilator lint_off BLKSEQ */
  integer n, p, k, c;
  always @(posedge clk_i) begin
    if (drain_load_i) begin
      for (n = 0; n < N; n = n + 1) chain[n] = acc[n];
    end else if (drain_shift_i) begin
      for (n = 0; n < N - R; n = n + 1) chain[n] = chain[n+R];
    end
    for (n = 0; n < R; n = n + 1) head_q[n*ACC_W +: ACC_W] <= chain[n];

    if (HAS_SLIDE != 0 && depthwise_i) begin
      if (acc_valid) begin
        for (k = 0; k < K; k = k + 1) begin
          acc[k] = P > 1 ? rows_sum[SX > 1 ? 2*P*k + 1 : 0]
                         : extend(MUL_STYLE != 0 ? sums[k*TW +: TW] : node[2*C*k + 1]);
        end
        if (PSUM_DEPTH > 0) begin
          for (k = 0; k < QN; k = k + 1) begin
            acc[k] = acc[k] + psum[k*ACC_W +: ACC_W];
            psum_q[k*ACC_W +: ACC_W] <= acc[k];
          end
        end
      end
    end else if (acc_valid) begin
      for (n = 0; n < N; n = n + 1) begin
        acc[n] = part[n] + extend(MUL_STYLE != 0 ? sums[n*TW +: TW] : node[2*C*n + 1]);
        part[n] = acc[n];
      end
    end
    if (acc_fresh) begin
      for (n = 0; n < N; n = n + 1) part[n] = {ACC_W{1'b0}};
    end

    if (SX > 1) begin
      for (k = 0; k < K; k = k + 1) begin
        for (p = 0; p < P; p = p + 1) rows_sum[2*P*k + P + p] =
          extend(MUL_STYLE != 0 ? sums[(p*K+k)*TW +: TW] : node[2*C*(p*K+k) + 1]);
        for (p = 1; p < P; p = p + 1) rows_sum[2*P*k + p] = rows_sum[2*P*k + 2*p] + rows_sum[2*P*k + 2*p + 1];
      end
    end else begin
      rows_sum[0] = {ACC_W{1'b0}};
    end

    for (n = 0; n < N && MUL_STYLE == 0; n = n + 1) begin
      for (c = 1; c < C; c = c + 1) begin
        node[2*C*n + c] = node[2*C*n + 2*c] + node[2*C*n + 2*c + 1];
      end
    end

    for (k = 0; k < K*C; k = k + 1) weight[k] = weight_i[k*WB +: WB];
    if (HAS_SLIDE != 0) begin
      for (n = 0; n < C*N && MUL_STYLE == 0; n = n + 1) node[n + C*(n/C + 1)] = operand[n] * held[n];
      for (p = 0; p < P; p = p + 1) begin
        if (!depthwise_i || weight_row_i[p]) begin
          for (k = 0; k < K*C; k = k + 1) held[p*K*C + k] = weight[k];
        end
      end
      for (p = 0; p < P; p = p + 1) begin
        for (k = 0; k < K; k = k + 1) begin
          for (c = 0; c < C; c = c + 1) begin
            if (!depthwise_i) operand[(p*K+k)*C + c] = row[p][XB*c +: XB];
            else if (k < W) operand[(p*K+k)*C + c] =
              window_rows_i[(p*C+c)/4] ? window[p*C+c][XB*(k % W) +: XB] : pad_value_i;
          end
        end
      end
      if (window_shift_i) begin
        if (BANKS == 8 && window_pair_i) begin
          for (n = 0; n < W - 8; n = n + 1) window[n] = window[n + 8];
          for (n = 0; n < 8; n = n + 1) window[W - 8 + n] = window_i[XB*W*(n % BANKS) +: XB*W];
        end else begin
          for (n = 0; n < W - 4; n = n + 1) window[n] = window[n + 4];
          for (n = 0; n < 4; n = n + 1) window[W - 4 + n] = window_i[XB*W*(n % BANKS) +: XB*W];
        end
      end
    end else if (MUL_STYLE == 0) begin
      for (p = 0; p < P; p = p + 1) begin
        for (k = 0; k < K; k = k + 1) begin
          for (c = 0; c < C; c = c + 1) begin
            node[2*C*(p*K+k) + C + c] = $signed(row[p][XB*c +: XB]) * weight[k*C+c];
          end
        end
      end
    end

    if (word_last_i) begin
      for (p = 0; p < P - 1; p = p + 1) row[p] = stage[p];
      row[P-1] = word_i;
    end else begin
      for (p = 0; p < P; p = p + 1) row[p] = row[p] >> (XB * C);
    end
    if (word_shift_i) begin
      for (p = 0; p < P - 2; p = p + 1) stage[p] = stage[p+1];
      if (P > 1) stage[P > 1 ? P - 2 : 0] = word_i;
    end

    // For o2c_dot, which is outside this block: the factors as registers that change with the others.
    if (MUL_STYLE != 0 && HAS_SLIDE != 0) begin
      for (n = 0; n < SN; n = n + 1) begin
        x_q[n*XB +: XB] <= operand[n];
        w_q[n*WB +: WB] <= held[n];
      end
    end else if (MUL_STYLE != 0) begin
      for (p = 0; p < P; p = p + 1) x_q[p*C*XB +: C*XB] <= row[p][C*XB-1:0];
    end
  end
  /* verilator lint_on BLKSEQ */

  genvar g;
  generate
    if (MUL_STYLE == 0) begin : gen_infer
      assign sums = {(N*TW){1'b0}};
      wire unused_sums = &{1'b0, sums, x_q, w_q};
    end else if (HAS_SLIDE != 0) begin : gen_each
      for (g = 0; g < N; g = g + 1) begin : gen_dot
        o2c_dot #(
          .STYLE (MUL_STYLE), .C (C), .XB (XB), .WB (WB), .BIPOLAR_X (BIPOLAR_X), .BIPOLAR_W (BIPOLAR_W)
        ) u_dot (
          .clk_i (clk_i),
          .x_i   (x_q[g*C*XB +: C*XB]),
          .w_i   (w_q[g*C*WB +: C*WB]),
          .sum_o (sums[g*TW +: TW])
        );
      end
    end else begin : gen_shared
      o2c_dot #(
        .STYLE (MUL_STYLE), .X (P), .K (K), .C (C), .XB (XB), .WB (WB), .BIPOLAR_X (BIPOLAR_X), .BIPOLAR_W (BIPOLAR_W)
      ) u_dot (
        .clk_i (clk_i),
        .x_i   (x_q[P*C*XB-1:0]),
        .w_i   (weight_i),
        .sum_o (sums)
      );
      wire unused_w = &{1'b0, w_q};
    end
  endgenerate

  wire unused_ok = &{1'b0, depthwise_i, window_i, window_shift_i, window_pair_i, window_rows_i, pad_value_i,
                    weight_row_i};

  function automatic signed [ACC_W-1:0] extend(input signed [TW-1:0] x);
    extend = {{(ACC_W-TW){x[TW-1]}}, x};
  endfunction

endmodule
`default_nettype wire
