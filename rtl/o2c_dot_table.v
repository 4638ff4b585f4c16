`default_nettype none
// K dot products of C whose factors have four bits together: each bit of a product is one LUT of four inputs.
//
//   sum[k] = sum over c < C of  x[c] * w[k][c]          (signed, exact)
//
// Where both factors are bipolar, one bit each, the table is of two products: half their sum, -1, 0 or 1.
//
// C          1 ..     products of a sum, a power of two
// K          1 ..     sums
// XB, WB     1 .. 3   bits of an x and a weight, two's complement; XB + WB at most 4
// BIPOLAR_X, BIPOLAR_W   1: one bit, 0 stands for -1 and 1 for 1 (XB = 1, WB = 1)
// Latency    1 + log2(C) cycles: tables, tree;  no reset
module o2c_dot_table #(
  parameter integer C  = 4,
  parameter integer K  = 1,
  parameter integer XB = 2,
  parameter integer WB = 2,
  parameter integer BIPOLAR_X = 0,
  parameter integer BIPOLAR_W = 0,
  localparam integer LC = $clog2(C),
  localparam integer SW = XB + WB + LC
) (
  input  wire              clk_i,
  input  wire [C*XB-1:0]   x_i,
  input  wire [K*C*WB-1:0] w_i,
  output wire [K*SW-1:0]   sum_o
);
  generate if (C < 1 || C != (1 << LC) || K < 1 || XB < 1 || WB < 1 || XB + WB > 4
               || (BIPOLAR_X != 0 && (BIPOLAR_X != 1 || XB != 1))
               || (BIPOLAR_W != 0 && (BIPOLAR_W != 1 || WB != 1))) begin : gen_bad
`ifdef VERILATOR
    $error("o2c_dot_table: C a power of two, XB + WB at most 4, a bipolar operand one bit");
`else
    o2c_dot_table_ERROR_parameters_see_header u_bad ();
`endif
  end endgenerate

  localparam integer SIGNS = BIPOLAR_X != 0 && BIPOLAR_W != 0 && C > 1 ? 1 : 0;  // two products a table
  localparam integer U  = SIGNS != 0 ? 2 : 1;            // products of a table
  localparam integer N  = C / U;                         // tables of a sum
  localparam integer IB = U * (XB + WB);                 // bits of a table's index
  localparam integer B  = SIGNS != 0 ? 2 : XB + WB;      // bits of its value
  localparam [(B<<IB)-1:0] TABLE = values(0);

  genvar k, n, u;
  generate for (k = 0; k < K; k = k + 1) begin : gen_sum
    wire [N*B-1:0] value;
    for (n = 0; n < N; n = n + 1) begin : gen_table
      wire [IB-1:0] index;
      for (u = 0; u < U; u = u + 1) begin : gen_product
        assign index[u*(XB+WB) +: XB+WB] = {x_i[(n*U+u)*XB +: XB], w_i[(k*C+n*U+u)*WB +: WB]};
      end
      reg [B-1:0] value_q;
      always @(posedge clk_i) value_q <= TABLE[index*B +: B];
      // A tree over half the values has a level less.
      if (SIGNS != 0) begin : gen_later
        reg [B-1:0] later_q;
        always @(posedge clk_i) later_q <= value_q;
        assign value[n*B +: B] = later_q;
      end else begin : gen_now
        assign value[n*B +: B] = value_q;
      end
    end
    wire [B+$clog2(N)-1:0] sum;
    o2c_tree #(.N (N), .W (B)) u_tree (
      .clk_i   (clk_i),
      .value_i (value),
      .carry_i ({N{1'b0}}),
      .sum_o   (sum)
    );
    if (SIGNS != 0) begin : gen_twice
      assign sum_o[k*SW +: SW] = {sum, 1'b0};
    end else begin : gen_sum
      assign sum_o[k*SW +: SW] = sum;
    end
  end endgenerate

  // The table, entry by entry; its argument only makes it a function.
  function automatic [(B<<IB)-1:0] values(input integer zero);
    integer i, j, x, w, v;
    begin
      values = {(B<<IB){1'b0}};
      for (i = 0; i < (1 << IB); i = i + 1) begin
        v = zero;
        for (j = 0; j < U; j = j + 1) begin
          w = (i >> (j*(XB+WB))) & ((1 << WB) - 1);
          x = (i >> (j*(XB+WB) + WB)) & ((1 << XB) - 1);
          if (BIPOLAR_W != 0) w = 2*w - 1;
          else if (w >= (1 << (WB-1))) w = w - (1 << WB);
          if (BIPOLAR_X != 0) x = 2*x - 1;
          else if (x >= (1 << (XB-1))) x = x - (1 << XB);
          v = v + x*w;
        end
        if (SIGNS != 0) v = v / 2;
        for (j = 0; j < B; j = j + 1) values[i*B + j] = ((v >>> j) & 1) != 0;
      end
    end
  endfunction
endmodule
`default_nettype wire
