`default_nettype none
// X * K dot products of C: X vectors x, K vectors w, every one with every other. All kinds of multipliers are here.
//
//   sum[x][k] = sum over c < C of  x[x][c] * w[k][c]          (signed, exact)
//
// STYLE      0: `*`, one product each: for simulation, and what a device's tools infer
//            1: LUTs, no multiplier: o2c_dot_table where the factors have four bits together, else o2c_dot_lut
//            2: two or four products in one `*` of at most 27 x 18 bits, see o2c_dot_packed; four where X is even and
//               the factors fit 25 x 18 bits
// X, K       1 ..     vectors; K even for STYLE 2
// C          1 ..     products of a sum, a power of two
// XB, WB     1 .. 16, 1 .. 9   bits of an x and a weight, two's complement; STYLE 2: as far as the factors fit
// BIPOLAR_X, BIPOLAR_W   1: one bit, 0 stands for -1 and 1 for 1 (XB = 1, WB = 1; not for STYLE 2)
// Latency    1 + log2(C) cycles, whatever the style; a set of sums a cycle;  no reset
//
//   clk_i   _/~\_/~\_/~\_/~\_       C = 2
//   x_i, w_i < 0 >< 1 >
//   sum_o            < 0 >< 1 >
module o2c_dot #(
  parameter integer STYLE = 0,
  parameter integer X  = 1,
  parameter integer K  = 1,
  parameter integer C  = 4,
  parameter integer XB = 8,
  parameter integer WB = 8,
  parameter integer BIPOLAR_X = 0,
  parameter integer BIPOLAR_W = 0,
  localparam integer LC = $clog2(C),
  localparam integer SW = XB + WB + LC
) (
  input  wire              clk_i,
  input  wire [X*C*XB-1:0] x_i,
  input  wire [K*C*WB-1:0] w_i,
  output wire [X*K*SW-1:0] sum_o      // sum[x][k] at (x*K + k)*SW
);
  generate if (STYLE < 0 || STYLE > 2 || X < 1 || K < 1 || C < 1 || C != (1 << LC)
               || XB < 1 || XB > 16 || WB < 1 || WB > 9
               || (BIPOLAR_X != 0 && (BIPOLAR_X != 1 || XB != 1 || STYLE == 2))
               || (BIPOLAR_W != 0 && (BIPOLAR_W != 1 || WB != 1 || STYLE == 2))) begin : gen_bad
`ifdef VERILATOR
    $error("o2c_dot: STYLE 0 to 2, C a power of two, XB 1 to 16, WB 1 to 9, see header");
`else
    o2c_dot_ERROR_parameters_see_header u_bad ();
`endif
  end endgenerate

  localparam integer TABLE = (BIPOLAR_X != 0 && BIPOLAR_W != 0) || (BIPOLAR_W == 0 && XB + WB <= 4) ? 1 : 0;
  localparam integer FOUR  = X % 2 == 0 && 3*XB + 2*WB + 1 <= 25 && XB + 2*WB + 1 <= 18 ? 1 : 0;
  localparam integer GROUP = STYLE == 2 && FOUR != 0 ? 2 : 1;   // x of an instance

  genvar x, k, c;
  generate
    for (x = 0; x < X / GROUP; x = x + 1) begin : gen_x
      wire [GROUP*C*XB-1:0] here = x_i[x*GROUP*C*XB +: GROUP*C*XB];
      wire [GROUP*K*SW-1:0] sum;
      assign sum_o[x*GROUP*K*SW +: GROUP*K*SW] = sum;
      if (STYLE == 2) begin : gen_packed
        o2c_dot_packed #(.X (GROUP), .C (C), .K (K), .XB (XB), .WB (WB)) u_dot (
          .clk_i (clk_i), .x_i (here), .w_i (w_i), .sum_o (sum)
        );
      end else if (STYLE == 1 && TABLE != 0) begin : gen_table
        o2c_dot_table #(.C (C), .K (K), .XB (XB), .WB (WB), .BIPOLAR_X (BIPOLAR_X), .BIPOLAR_W (BIPOLAR_W)) u_dot (
          .clk_i (clk_i), .x_i (here), .w_i (w_i), .sum_o (sum)
        );
      end else if (STYLE == 1) begin : gen_lut
        o2c_dot_lut #(.C (C), .K (K), .XB (XB), .WB (WB), .BIPOLAR_X (BIPOLAR_X), .BIPOLAR_W (BIPOLAR_W)) u_dot (
          .clk_i (clk_i), .x_i (here), .w_i (w_i), .sum_o (sum)
        );
      end else begin : gen_infer
        for (k = 0; k < K; k = k + 1) begin : gen_sum
          wire [C*(XB+WB)-1:0] product;
          for (c = 0; c < C; c = c + 1) begin : gen_product
            wire signed [XB:0] a = BIPOLAR_X != 0 ? {!here[c*XB], {XB{1'b1}}} : {here[c*XB+XB-1], here[c*XB +: XB]};
            wire [WB-1:0]      of_w = w_i[(k*C+c)*WB +: WB];
            wire signed [WB:0] b = BIPOLAR_W != 0 ? {!of_w[0], {WB{1'b1}}} : {of_w[WB-1], of_w};
            reg  signed [XB+WB-1:0] product_q;
            always @(posedge clk_i) product_q <= a * b;
            assign product[c*(XB+WB) +: XB+WB] = product_q;
          end
          o2c_tree #(.N (C), .W (XB+WB)) u_tree (
            .clk_i (clk_i), .value_i (product), .carry_i ({C{1'b0}}), .sum_o (sum[k*SW +: SW])
          );
        end
      end
    end
  endgenerate

`ifdef FORMAL
  // The sums are those of the factors LC + 1 cycles ago, whatever was before.
  reg [(LC+1)*X*C*XB-1:0] f_x;
  reg [(LC+1)*K*C*WB-1:0] f_w;
  reg [LC:0]              f_filled;
  initial f_filled = {(LC+1){1'b0}};
  wire [(LC+2)*X*C*XB-1:0] f_x_next = {f_x, x_i};
  wire [(LC+2)*K*C*WB-1:0] f_w_next = {f_w, w_i};
  wire [LC+1:0]            f_filled_next = {f_filled, 1'b1};
  always @(posedge clk_i) begin
    f_x      <= f_x_next[(LC+1)*X*C*XB-1:0];
    f_w      <= f_w_next[(LC+1)*K*C*WB-1:0];
    f_filled <= f_filled_next[LC:0];
  end
  wire [X*C*XB-1:0] f_x_then = f_x[LC*X*C*XB +: X*C*XB];
  wire [K*C*WB-1:0] f_w_then = f_w[LC*K*C*WB +: K*C*WB];
  generate
    for (x = 0; x < X; x = x + 1) begin : gen_formal_x
      for (k = 0; k < K; k = k + 1) begin : gen_formal_k
        wire [(C+1)*SW-1:0] f_sum;
        assign f_sum[SW-1:0] = {SW{1'b0}};
        for (c = 0; c < C; c = c + 1) begin : gen_formal_c
          wire signed [XB:0] a = BIPOLAR_X != 0 ? {!f_x_then[(x*C+c)*XB], {XB{1'b1}}}
                               : {f_x_then[(x*C+c)*XB+XB-1], f_x_then[(x*C+c)*XB +: XB]};
          wire signed [WB:0] b = BIPOLAR_W != 0 ? {!f_w_then[(k*C+c)*WB], {WB{1'b1}}}
                               : {f_w_then[(k*C+c)*WB+WB-1], f_w_then[(k*C+c)*WB +: WB]};
          wire signed [SW-1:0] product = a * b;
          assign f_sum[(c+1)*SW +: SW] = f_sum[c*SW +: SW] + product;
        end
        always @* if (f_filled[LC]) assert (sum_o[(x*K+k)*SW +: SW] == f_sum[C*SW +: SW]);
      end
    end
  endgenerate
`endif
endmodule
`default_nettype wire
