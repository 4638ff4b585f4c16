`default_nettype none
// K dot products of C in LUTs, without multipliers; the K share the x.
//
//   sum[k] = sum over c < C of  x[c] * w[k][c]          (signed, exact)
//
// A weight is a sum of signs: with t[b] = 1 or -1 for its bits b (bit set or not; the sign bit the other way round)
//
//   2 w + 1 = sum over b < WB of t[b] * 2^b
//
// so that two products together take, for each bit, one of four numbers, x0 + x1, x0 - x1 or their negatives:
//
//   2 (x0 w0 + x1 w1) = sum over b of 2^b * (t0[b] x0 + t1[b] x1)  -  (x0 + x1)
//
// One LUT of four inputs makes a bit of that row: from plus = x0 + x1 and minus = x0 - x1 - 1, which the K share, and
// both weights' bit, inverted where t0 is negative. The one that negation or minus lacks is added where t1 is
// negative: a carry into the adder whose upper operand the row begins. What is left, those of row 0, are carries of the
// tree over the pairs; the first pair's goes with -(sum of all x), which is added once. A bipolar weight is a single
// sign: one row, nothing to subtract, no factor of 2. C = 1 takes its x with the same sign twice, the second one 0.
//
// C          1 ..     products of a sum, a power of two
// K          1 ..     sums
// XB, WB     1 .. 16, 1 .. 9   bits of an x and a weight, two's complement
// BIPOLAR_X, BIPOLAR_W   1: one bit, 0 stands for -1 and 1 for 1 (XB = 1, WB = 1)
// Latency    1 + log2(C) cycles: rows and their first adders, the other adders, the tree;  no reset
module o2c_dot_lut #(
  parameter integer C  = 4,
  parameter integer K  = 1,
  parameter integer XB = 8,
  parameter integer WB = 8,
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
  generate if (C < 1 || C != (1 << LC) || K < 1 || XB < 1 || XB > 16 || WB < 1 || WB > 9
               || (BIPOLAR_X != 0 && (BIPOLAR_X != 1 || XB != 1))
               || (BIPOLAR_W != 0 && (BIPOLAR_W != 1 || WB != 1))) begin : gen_bad
`ifdef VERILATOR
    $error("o2c_dot_lut: C a power of two, XB 1 to 16, WB 1 to 9, a bipolar operand one bit");
`else
    o2c_dot_lut_ERROR_parameters_see_header u_bad ();
`endif
  end endgenerate

  localparam integer XS = BIPOLAR_X != 0 ? 2 : XB;             // bits of a signed x
  localparam integer NP = C > 1 ? C / 2 : 1;                   // pairs
  localparam integer LEVELS = $clog2(WB);                      // of adders over the rows
  localparam integer CUT = C == 1 || LEVELS == 0 ? 0 : 1;      // level behind which the registers stand
  localparam integer MOST = WB > LC ? WB : LC;
  localparam integer PW = BIPOLAR_W != 0 ? XS + 2 : XS + 2 + MOST;  // bits of a pair's sum
  localparam integer NW = XS + LC + 1;                         // bits of the sum of all x, negative
  localparam integer ZW = XS + 3 + MOST;                       // bits kept for a node
  localparam integer SIGNS = BIPOLAR_W != 0 ? 1 : (1 << (WB - 1)) - 1;  // bits that are negative where they are 0

  // What the K share.
  wire [NP*(XS+1)-1:0] plus, minus;
  wire [(NP+1)*NW-1:0] total /* verilator split_var */;
  reg  [NW-1:0]        less_q;
  wire [NW-1:0]        less = {NW{1'b0}} - total[NP*NW +: NW];
  assign total[NW-1:0] = {NW{1'b0}};
  wire [ZW+NW-1:0]     less_wide = {{ZW{less_q[NW-1]}}, less_q};
  genvar p, k, l, j;
  generate
    for (p = 0; p < NP; p = p + 1) begin : gen_shared
      wire [XS:0] x0, x1;
      if (BIPOLAR_X != 0) begin : gen_bipolar
        assign x0 = {{2{!x_i[2*p]}}, 1'b1};
        if (C > 1) begin : gen_second
          assign x1 = {{2{!x_i[2*p+1]}}, 1'b1};
        end else begin : gen_none
          assign x1 = {(XS+1){1'b0}};
        end
      end else begin : gen_signed
        assign x0 = {x_i[2*p*XB + XB-1], x_i[2*p*XB +: XB]};
        if (C > 1) begin : gen_second
          assign x1 = {x_i[(2*p+1)*XB + XB-1], x_i[(2*p+1)*XB +: XB]};
        end else begin : gen_none
          assign x1 = {(XS+1){1'b0}};
        end
      end
      wire [XS:0] sum = x0 + x1;
      assign plus[p*(XS+1) +: XS+1]  = sum;
      assign minus[p*(XS+1) +: XS+1] = x0 + ~x1;
      if (LC > 0) begin : gen_extend
        assign total[(p+1)*NW +: NW] = total[p*NW +: NW] + {{LC{sum[XS]}}, sum};
      end else begin : gen_one
        assign total[(p+1)*NW +: NW] = total[p*NW +: NW] + sum;
      end
    end
    if (CUT == 1 || C > 1) begin : gen_less
      always @(posedge clk_i) less_q <= less;
    end else begin : gen_less_now
      always @* less_q = less;
    end

    for (k = 0; k < K; k = k + 1) begin : gen_sum
      wire [NP*PW-1:0] pair;
      wire [NP-1:0]    carry;
      for (p = 0; p < NP; p = p + 1) begin : gen_pair
        wire [WB-1:0] neg0 = w_i[(k*C + 2*p)*WB +: WB] ^ SIGNS[WB-1:0];
        wire [WB-1:0] neg1;
        if (C > 1) begin : gen_second
          assign neg1 = w_i[(k*C + 2*p + 1)*WB +: WB] ^ SIGNS[WB-1:0];
        end else begin : gen_same
          assign neg1 = neg0;
        end
        // The same behind the registers.
        wire [WB-1:0] neg1_late;
        if (C > 1) begin : gen_late
          reg [WB-1:0] neg1_q;
          always @(posedge clk_i) neg1_q <= neg1;
          assign neg1_late = neg1_q;
        end else begin : gen_now
          assign neg1_late = neg1;
        end

        // node (l, j): rows j*2^l and up, as many as 2^l, without the first one's correction. Behind the registers
        // node 0 of the first pair is the one that has everything.
        wire [(LEVELS+1)*WB*ZW-1:0] node /* verilator split_var */;
        wire [(LEVELS+1)*WB*ZW-1:0] made /* verilator split_var */;
        for (l = 0; l <= LEVELS; l = l + 1) begin : gen_level
          for (j = 0; (j << l) < WB; j = j + 1) begin : gen_node
            localparam integer M = WB - (j << l) < (1 << l) ? WB - (j << l) : 1 << l;
            localparam integer AT = (l*WB + j)*ZW;
            localparam integer ALL = p == 0 && j == 0 && l > CUT ? 1 : 0;
            localparam integer B = ALL == 0 ? XS + 1 + M : BIPOLAR_W != 0 ? XS + 2 : XS + 2 + (M > LC ? M : LC);
            wire [B-1:0] value;
            assign made[AT +: ZW] = {{(ZW-B){value[B-1]}}, value};
            if (l == 0) begin : gen_row
              wire [XS:0] chosen = neg0[j] ^ neg1[j] ? minus[p*(XS+1) +: XS+1] : plus[p*(XS+1) +: XS+1];
              assign value = {chosen[XS] ^ neg0[j], chosen ^ {(XS+1){neg0[j]}}};
            end else if ((2*j + 1) << (l - 1) >= WB) begin : gen_same
              assign value = node[((l-1)*WB + 2*j)*ZW +: B];
            end else begin : gen_add
              localparam integer SHIFT = 1 << (l - 1);
              localparam integer LO = ((l-1)*WB + 2*j)*ZW;
              localparam integer HI = LO + ZW;
              localparam integer T  = B - SHIFT;   // bits that the adder makes
              wire [T:0] sum = {node[LO + SHIFT +: T], 1'b1}
                             + {node[HI +: T], l > CUT ? neg1_late[(2*j+1) << (l-1)] : neg1[(2*j+1) << (l-1)]};
              assign value = {sum[T:1], node[LO +: SHIFT]};
              wire unused_ok = &{1'b0, sum[0]};
            end
            if (l == CUT && C > 1) begin : gen_cut
              reg [B-1:0] value_q;
              always @(posedge clk_i) value_q <= value;
              if (p == 0 && j == 0) begin : gen_rest
                localparam integer A = BIPOLAR_W != 0 ? XS + 2 : XS + 2 + (M > LC ? M : LC);
                wire [ZW-1:0] late = {{(ZW-B){value_q[B-1]}}, value_q};
                wire [A-1:0]  rest = BIPOLAR_W != 0 ? {A{1'b0}} : less_wide[A-1:0];
                wire [A:0]    sum  = {late[A-1:0], 1'b1} + {rest, neg1_late[0]};
                assign node[AT +: ZW] = {{(ZW-A){sum[A]}}, sum[A:1]};
                wire unused_ok = &{1'b0, sum[0], late};
              end else begin : gen_plain
                assign node[AT +: ZW] = {{(ZW-B){value_q[B-1]}}, value_q};
              end
            end else if (l == CUT) begin : gen_rest
              localparam integer A = BIPOLAR_W != 0 ? XS + 2 : XS + 2 + (M > LC ? M : LC);
              if (p == 0 && j == 0) begin : gen_first
                wire [A-1:0] rest = BIPOLAR_W != 0 ? {A{1'b0}} : less_wide[A-1:0];
                wire [A:0]   sum  = {made[AT +: A], 1'b1} + {rest, neg1_late[0]};
                assign node[AT +: ZW] = {{(ZW-A){sum[A]}}, sum[A:1]};
                wire unused_ok = &{1'b0, sum[0]};
              end else begin : gen_plain
                assign node[AT +: ZW] = made[AT +: ZW];
              end
            end else begin : gen_now
              assign node[AT +: ZW] = made[AT +: ZW];
            end
          end
          for (j = (WB + (1 << l) - 1) >> l; j < WB; j = j + 1) begin : gen_unused
            assign made[(l*WB + j)*ZW +: ZW] = {ZW{1'b0}};
            assign node[(l*WB + j)*ZW +: ZW] = {ZW{1'b0}};
          end
        end
        reg [PW-1:0] pair_q;
        reg          carry_q;
        always @(posedge clk_i) begin
          pair_q  <= node[LEVELS*WB*ZW +: PW];
          carry_q <= neg1_late[0];
        end
        assign pair[p*PW +: PW] = pair_q;
        assign carry[p] = carry_q;
        wire unused_ok = &{1'b0, made, node, neg1_late};
      end

      localparam integer TW = PW + $clog2(NP);
      wire [TW-1:0] twice;
      o2c_tree #(.N (NP), .W (PW), .HAS_CARRY (1)) u_tree (
        .clk_i   (clk_i),
        .value_i (pair),
        .carry_i (carry),
        .sum_o   (twice)
      );
      // Bipolar weights: the sum itself.
      wire [SW+TW:0] wide = {{(SW+1){twice[TW-1]}}, twice};
      assign sum_o[k*SW +: SW] = BIPOLAR_W != 0 ? wide[SW-1:0] : wide[SW:1];
      wire unused_ok = &{1'b0, wide};
    end
  endgenerate

  wire unused_ok = &{1'b0, less_wide};
endmodule
`default_nettype wire
