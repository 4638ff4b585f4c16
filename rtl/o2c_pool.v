`default_nettype none
// Maximum or sum over a window, W channels at once, one scratchpad word a cycle; or the operands of a product.
//
//   acc[c] = first ? x[c] : max ? maximum(acc[c], x[c]) : acc[c] + x[c]       (signed)
//   product_i: acc[c] = {x[c] of the second tap, x[c] of the first}; spread_i: x[0] of the second tap for every c
//
// Taps outside the map arrive as the descriptor's pad value: the lowest integer for a maximum, the zero point
// for a sum.
//
// W      1 ..       channels of a word
// POOL_W 9 .. 24    bits of a sum
// R      1 .. W     values that leave the chain in a cycle; W a multiple of R
// PRODUCT 0, 1      whether product_i and spread_i are heeded; POOL_W at least 16 then
//
//   tap_valid_i, tap_first_i   word_i is a tap, the first of its window
//   drain_load_i               the chain takes the W results (1 cycle after the window's last tap)
//   drain_shift_i              the chain moves on by R values
module o2c_pool #(
  parameter integer W      = 16,
  parameter integer POOL_W = 16,
  parameter integer R      = 4,
  parameter integer PRODUCT = 0
) (
  input  wire                  clk_i,
  input  wire                  max_i,
  input  wire                  product_i,
  input  wire                  spread_i,
  input  wire [8*W-1:0]        word_i,
  input  wire                  tap_valid_i,
  input  wire                  tap_first_i,
  input  wire                  drain_load_i,
  input  wire                  drain_shift_i,
  output wire [R*POOL_W-1:0]   head_o
);
  generate if (POOL_W < 9 || (PRODUCT != 0 && POOL_W < 16) || R > W || (W % R) != 0) begin : gen_bad
`ifdef VERILATOR
    $error("o2c_pool: POOL_W must be at least 9 (a product: 16) and W a multiple of R");
`else
    o2c_pool_ERROR_POOL_W_at_least_9_W_multiple_of_R u_bad ();
`endif
  end endgenerate

  (* mem2reg *) reg signed [POOL_W-1:0] acc [0:W-1];
  (* mem2reg *) reg signed [POOL_W-1:0] chain [0:W-1];

  function automatic signed [POOL_W-1:0] merge(
    input signed [POOL_W-1:0] a,
    input signed [7:0] x,
    input is_max
  );
    reg signed [POOL_W-1:0] wide;
    begin
      wide = {{(POOL_W-8){x[7]}}, x};
      if (is_max) merge = (x > $signed(a[7:0])) ? wide : a;
      else merge = a + wide;
    end
  endfunction

  function automatic signed [POOL_W-1:0] extend(input signed [7:0] x);
    extend = {{(POOL_W-8){x[7]}}, x};
  endfunction

  function automatic signed [POOL_W-1:0] pair(input signed [POOL_W-1:0] a, input [7:0] b);
    reg unused;
    begin
      unused = &{1'b0, a};
      pair = {{(POOL_W-8){1'b0}}, a[7:0]} | ({{(POOL_W-8){1'b0}}, b} << 8);
    end
  endfunction

  integer c;
  always @(posedge clk_i) begin
    if (tap_valid_i) begin
      for (c = 0; c < W; c = c + 1) begin
        acc[c] <= tap_first_i ? extend(word_i[8*c +: 8]) : merge(acc[c], word_i[8*c +: 8], max_i);
        if (PRODUCT != 0 && product_i && !tap_first_i) begin
          acc[c] <= pair(acc[c], spread_i ? word_i[7:0] : word_i[8*c +: 8]);
        end
      end
    end
    if (drain_load_i) begin
      for (c = 0; c < W; c = c + 1) chain[c] <= acc[c];
    end else if (drain_shift_i) begin
      for (c = 0; c < W - R; c = c + 1) chain[c] <= chain[c+R];
    end
  end

  genvar r;
  generate for (r = 0; r < R; r = r + 1) begin : gen_head
    assign head_o[r*POOL_W +: POOL_W] = chain[r];
  end endgenerate
endmodule
`default_nettype wire
