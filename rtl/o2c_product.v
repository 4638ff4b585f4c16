`default_nettype none
// Products of two tensors' elements, R at once, at the pool's drain.
//
//   product[r] = (a[r] - zero_a) * (b[r] - zero_b)       (signed)
//
// a and b are bits 7:0 and 15:8 of a value of o2c_pool's chain. Where no lane of o2c_requantize makes the result's
// byte of the product (KEY = 1), o2c_post compares 256 times the product with a threshold, which one factor's byte
// may correct.
//
//   cycle x0      head_i
//         x2      product_o
//         x9      factor_o             bytes of a, or of b with by_b_i
//         x11     key_o                256 * product
//
// R        1 ..       products at once
// POOL_W   17 ..      bits of a value of the chain, and of a product
// KEY      0, 1       whether key_o and factor_o are made
// No reset: data path only.
module o2c_product #(
  parameter integer R      = 4,
  parameter integer POOL_W = 17,
  parameter integer KEY    = 0
) (
  input  wire                clk_i,
  input  wire [R*POOL_W-1:0] head_i,
  input  wire signed [7:0]   zero_a_i,
  input  wire signed [7:0]   zero_b_i,
  input  wire                by_b_i,
  output wire [R*POOL_W-1:0] product_o,
  output wire [R*25-1:0]     key_o,
  output wire [8*R-1:0]      factor_o
);
  localparam integer KEY_SHIFT = 8;

  generate if (POOL_W < 17 || KEY < 0 || KEY > 1) begin : gen_bad
`ifdef VERILATOR
    $error("o2c_product: POOL_W must be at least 17, KEY 0 or 1");
`else
    o2c_product_ERROR_POOL_W_at_least_17_KEY_0_or_1 u_bad ();
`endif
  end endgenerate

  genvar r;
  generate for (r = 0; r < R; r = r + 1) begin : gen_lane
    wire signed [7:0]  a = head_i[r*POOL_W +: 8];
    wire signed [7:0]  b = head_i[r*POOL_W + 8 +: 8];
    wire unused_ok = &{1'b0, head_i[r*POOL_W + 16 +: POOL_W - 16]};
    reg  signed [8:0]  a1, b1;
    reg  signed [17:0] product2;   // at most 255 * 255 in magnitude: 17 bits
    always @(posedge clk_i) begin
      a1       <= {a[7], a} - {zero_a_i[7], zero_a_i};
      b1       <= {b[7], b} - {zero_b_i[7], zero_b_i};
      product2 <= a1 * b1;
    end
    assign product_o[r*POOL_W +: POOL_W] = {{(POOL_W-16){product2[17]}}, product2[15:0]};
    wire unused_sign = &{1'b0, product2[16]};

    if (KEY != 0) begin : gen_key
      (* mem2reg *) reg [16:0] product_x [3:11];
      (* mem2reg *) reg [7:0]  factor_x [1:9];
      integer i;
      always @(posedge clk_i) begin
        product_x[3] <= product2[16:0];
        factor_x[1]  <= by_b_i ? b : a;
        for (i = 4; i <= 11; i = i + 1) product_x[i] <= product_x[i-1];
        for (i = 2; i <= 9; i = i + 1) factor_x[i] <= factor_x[i-1];
      end
      assign key_o[25*r +: 25] = {product_x[11], {KEY_SHIFT{1'b0}}};
      assign factor_o[8*r +: 8] = factor_x[9];
    end else begin : gen_no_key
      assign key_o[25*r +: 25] = 25'd0;
      assign factor_o[8*r +: 8] = 8'd0;
      wire unused_factor = &{1'b0, by_b_i};
    end
  end endgenerate
endmodule
`default_nettype wire
