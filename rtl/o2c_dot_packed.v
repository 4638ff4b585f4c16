`default_nettype none
// X * K dot products of C, two or four products in one multiplication.
//
//   sum[x][k] = sum over c < C of  x[x][c] * w[k][c]          (signed, exact)
//
// With S = XB + WB bits for a product, two weights w0, w1 share one x (X = 1), or two share two (X = 2):
//
//   x (w0 + w1 2^S)                  = x w0 + x w1 2^S
//   (x0 + x1 2^2S) (w0 + w1 2^S)     = x0 w0 + x0 w1 2^S + x1 w0 2^2S + x1 w1 2^3S
//
// Two such products are added before they are taken apart: the adder behind a DSP's multiplier does that. A field
// of S bits then holds a sum of two products, less one where the field below is negative. The largest is 2^(S-1), the
// least above -2^(S-1): so the field is negative where its top bit is set and not alone. What a field lacks is a carry
// of the tree that adds the C / 2 of them.
//
// Proved: whatever stands in the fields, what is taken out of them adds up to it, and every field but the last is
// above -2^(S-1) and at most 2^(S-1). There is only one such way to take a number apart.
//
// X          1, 2     sums that share the weights
// C          1 ..     products of a sum, a power of two
// K          2 ..     sums that share the x, even
// XB, WB     1 ..     bits of an x and a weight, two's complement; the factors have XB and XB + 2 WB + 1 bits (X = 1),
//                     2 (XB + WB) + XB + 1 and XB + 2 WB + 1 bits (X = 2), and must fit 27 x 18
// Latency    1 + log2(C) cycles: multipliers, their adders, the tree;  no reset
module o2c_dot_packed #(
  parameter integer X  = 1,
  parameter integer C  = 4,
  parameter integer K  = 2,
  parameter integer XB = 8,
  parameter integer WB = 8,
  localparam integer LC = $clog2(C),
  localparam integer SW = XB + WB + LC
) (
  input  wire              clk_i,
  input  wire [X*C*XB-1:0] x_i,
  input  wire [K*C*WB-1:0] w_i,
  output wire [X*K*SW-1:0] sum_o
);
  localparam integer S  = XB + WB;
  localparam integer WP = S + WB + 1;                   // bits of a factor of weights
  localparam integer XP = X == 2 ? 2*S + XB + 1 : XB;   // of one of x
  localparam integer F  = 2 * X;                        // fields

  generate if (X < 1 || X > 2 || C < 1 || C != (1 << LC) || K < 2 || K % 2 != 0 || XB < 1 || WB < 1
               || (X == 1 ? WP > 27 || XP > 18 : XP > 27 || WP > 18)) begin : gen_bad
`ifdef VERILATOR
    $error("o2c_dot_packed: X 1 or 2, C a power of two, K even, factors of at most 27 x 18 bits, see header");
`else
    o2c_dot_packed_ERROR_parameters_see_header u_bad ();
`endif
  end endgenerate

  localparam integer N  = C > 1 ? C / 2 : 1;            // values that the tree adds
  localparam integer PW = XP + WP > F*S + 1 ? XP + WP : F*S + 1;

  genvar k, c, n, f;
  generate for (k = 0; k < K / 2; k = k + 1) begin : gen_pair
    wire [C*PW-1:0] product;
    for (c = 0; c < C; c = c + 1) begin : gen_product
      wire signed [WB-1:0] w0 = w_i[(2*k*C + c)*WB +: WB];
      wire signed [WB-1:0] w1 = w_i[((2*k+1)*C + c)*WB +: WB];
      wire signed [WP-1:0] low_w  = {{(WP-WB){w0[WB-1]}}, w0};
      wire signed [WP-1:0] high_w = {w1[WB-1], w1, {S{1'b0}}};
      wire signed [WP-1:0] factor_w = low_w + high_w;
      wire signed [XP-1:0] factor_x;
      if (X == 2) begin : gen_two
        wire signed [XB-1:0] x0 = x_i[c*XB +: XB];
        wire signed [XB-1:0] x1 = x_i[(C + c)*XB +: XB];
        wire signed [XP-1:0] low_x  = {{(XP-XB){x0[XB-1]}}, x0};
        wire signed [XP-1:0] high_x = {x1[XB-1], x1, {(2*S){1'b0}}};
        assign factor_x = low_x + high_x;
      end else begin : gen_one
        assign factor_x = x_i[c*XB +: XB];
      end
      reg signed [PW-1:0] product_q;
      always @(posedge clk_i) product_q <= factor_x * factor_w;
      assign product[c*PW +: PW] = product_q;
    end

    wire [F*N*(S+1)-1:0] value;
    wire [F*N-1:0]       carry;
    for (n = 0; n < N; n = n + 1) begin : gen_fields
      wire signed [PW-1:0] fields;
      if (C > 1) begin : gen_add
        wire signed [PW-1:0] even = product[2*n*PW +: PW];
        wire signed [PW-1:0] odd  = product[(2*n+1)*PW +: PW];
        reg  signed [PW-1:0] fields_q;
        always @(posedge clk_i) fields_q <= even + odd;
        assign fields = fields_q;
      end else begin : gen_one
        assign fields = product;
      end
      wire [F:0] below;  // the field below is negative
      assign below[0] = 1'b0;
      for (f = 0; f < F; f = f + 1) begin : gen_field
        wire [S-1:0] bits = fields[f*S +: S];
        assign below[f+1] = bits[S-1] & |bits[S-2:0];
        wire [S:0] plain = f == F - 1 ? fields[f*S +: S+1] : {below[f+1], bits};
        // The first value's own carry: no adder of the tree has room for it.
        assign value[(f*N + n)*(S+1) +: S+1] = plain + (f > 0 && n == 0 ? {{S{1'b0}}, below[f]} : {(S+1){1'b0}});
        assign carry[f*N + n] = below[f];
      end
      wire unused_ok = &{1'b0, fields, below};

`ifdef FORMAL
      wire [(F+1)*(F*S+1)-1:0] f_sum;
      assign f_sum[F*S:0] = {(F*S+1){1'b0}};
      for (f = 0; f < F; f = f + 1) begin : gen_formal
        wire signed [S:0]   f_value = value[(f*N + n)*(S+1) +: S+1];
        wire signed [F*S:0] f_whole = f_value;
        wire [F*S:0]        f_carry = f > 0 && n > 0 ? {{(F*S){1'b0}}, carry[f*N + n]} : {(F*S+1){1'b0}};
        assign f_sum[(f+1)*(F*S+1) +: F*S+1] = f_sum[f*(F*S+1) +: F*S+1] + ((f_whole + f_carry) << (f*S));
        if (f < F - 1 && (f == 0 || n > 0)) begin : gen_range
          always @* assert (f_value > -(1 << (S-1)) && f_value <= (1 << (S-1)));
        end
      end
      always @* assert (f_sum[F*(F*S+1) +: F*S+1] == fields[F*S:0]);
`endif
    end
    for (f = 0; f < F; f = f + 1) begin : gen_sum
      wire [S+$clog2(N):0] sum;
      o2c_tree #(.N (N), .W (S + 1), .HAS_CARRY (f > 0 ? 1 : 0)) u_tree (
        .clk_i   (clk_i),
        .value_i (value[f*N*(S+1) +: N*(S+1)]),
        .carry_i (carry[f*N +: N]),
        .sum_o   (sum)
      );
      assign sum_o[((f/2)*K + 2*k + f%2)*SW +: SW] = sum[SW-1:0];
      wire unused_ok = &{1'b0, sum};
    end
  end endgenerate
endmodule
`default_nettype wire
