`default_nettype none
// The output-stationary array: P pixels x K output channels x dot-C.
//
//   acc[p][k] = sum over steps, j, c of  x[p][j*C + c] * w[k][c]      (signed, modulo 2^ACC_W)
//
// A step is P scratchpad words of W = P*C channels, one for each of P pixels, arriving one a cycle. When the
// last of them arrives, all P move to the rows together; each row then works on its word for P cycles,
// C channels a cycle, while the next P words arrive. K*C weights a cycle are shared by the rows.
//
// P, C, K  1 ..     powers of two
// WB       1 .. 9   bits of a signed weight
// ACC_W             bits of an accumulator, above 8 + WB + log2(C); the planner proves that the final sum fits
// R        1 .. K   values that leave the drain chain in a cycle; K a multiple of R
//
//   word_i, word_shift_i  the word enters the staging chain
//   word_last_i           with word_shift_i: the step's last word, the rows take over
//   weight_i              weights of this cycle; the rows' data of one step are used in the P cycles
//                         after word_last_i
//   mac_first_i           this cycle's products start a new sum
//   drain_load_i          the chain takes all P*K sums; 3 + log2(C) cycles after the sum's last
//                         mac cycle, see o2c_engine
//   drain_shift_i         the chain moves on by R values
//   head_o                R sums, pixel-major, channel ascending
//
// Products are registered, then log2(C) registered adder levels, then the accumulator. No reset: the
// datapath is flushed by mac_first_i.
module o2c_mac_array #(
  parameter integer P     = 4,
  parameter integer C     = 4,
  parameter integer K     = 16,
  parameter integer WB    = 8,
  parameter integer ACC_W = 24,
  parameter integer R     = 4,
  localparam integer W    = P * C,
  localparam integer LC   = $clog2(C)
) (
  input  wire                 clk_i,
  input  wire [8*W-1:0]       word_i,
  input  wire                 word_shift_i,
  input  wire                 word_last_i,
  input  wire [K*C*WB-1:0]    weight_i,
  input  wire                 mac_valid_i,
  input  wire                 mac_first_i,
  input  wire                 drain_load_i,
  input  wire                 drain_shift_i,
  output wire [R*ACC_W-1:0]   head_o
);
  localparam integer N  = P * K;
  localparam integer TW = 8 + WB + LC;

  generate if (P != (1 << $clog2(P)) || C != (1 << LC) || K != (1 << $clog2(K)) || WB < 1 || WB > 9
               || ACC_W <= 8 + WB + LC || R > K || (K % R) != 0) begin : gen_bad
`ifdef VERILATOR
    $error("o2c_mac_array: P, C, K powers of two, WB 1 to 9, ACC_W above 8+WB+log2(C), K a multiple of R");
`else
    o2c_mac_array_ERROR_parameters_see_header u_bad ();
`endif
  end endgenerate

  // Control follows the products and the tree.
  reg [LC:0] valid_q, first_q;
  integer d;
  always @(posedge clk_i) begin
    valid_q[0] <= mac_valid_i;
    first_q[0] <= mac_first_i;
    for (d = 1; d <= LC; d = d + 1) begin
      valid_q[d] <= valid_q[d-1];
      first_q[d] <= first_q[d-1];
    end
  end

  (* mem2reg *) reg [8*W-1:0] stage [0:P-1];  // index P-1 is unused
  (* mem2reg *) reg [8*W-1:0] row [0:P-1];
  // Adder trees in heap order: node 1 is the root, nodes C .. 2C-1 the products.
  (* mem2reg *) reg signed [TW-1:0]    node [0:2*C*N-1];
  (* mem2reg *) reg signed [ACC_W-1:0] acc [0:N-1];
  (* mem2reg *) reg signed [ACC_W-1:0] chain [0:N-1];
  (* mem2reg *) reg signed [WB-1:0]    weight [0:K*C-1];  // of this cycle, not a register
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

    if (valid_q[LC]) begin
      for (n = 0; n < N; n = n + 1) begin
        acc[n] = (first_q[LC] ? {ACC_W{1'b0}} : acc[n]) + extend(node[2*C*n + 1]);
      end
    end

    for (n = 0; n < N; n = n + 1) begin
      for (c = 1; c < C; c = c + 1) begin
        node[2*C*n + c] = node[2*C*n + 2*c] + node[2*C*n + 2*c + 1];
      end
    end

    for (k = 0; k < K*C; k = k + 1) weight[k] = weight_i[k*WB +: WB];
    for (p = 0; p < P; p = p + 1) begin
      for (k = 0; k < K; k = k + 1) begin
        for (c = 0; c < C; c = c + 1) begin
          node[2*C*(p*K+k) + C + c] = $signed(row[p][8*c +: 8]) * weight[k*C+c];
        end
      end
    end

    if (word_last_i) begin
      for (p = 0; p < P - 1; p = p + 1) row[p] = stage[p];
      row[P-1] = word_i;
    end else begin
      for (p = 0; p < P; p = p + 1) row[p] = row[p] >> (8 * C);
    end
    if (word_shift_i) begin
      for (p = 0; p < P - 2; p = p + 1) stage[p] = stage[p+1];
      if (P > 1) stage[P > 1 ? P - 2 : 0] = word_i;
    end
  end
  /* verilator lint_on BLKSEQ */

  function automatic signed [ACC_W-1:0] extend(input signed [TW-1:0] x);
    extend = {{(ACC_W-TW){x[TW-1]}}, x};
  endfunction

endmodule
`default_nettype wire
