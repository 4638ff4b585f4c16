`default_nettype none
// Sums of a window as float32 makes them, tap after tap: what QLinearAveragePool adds.
//
//   p = 0;  for each tap:  p = round24(p + round24((x - zero) * mantissa))
//
// round24 rounds to 24 significant bits, nearest even. mantissa is that of the input's scale, 2^23 .. 2^24 - 1, so p
// counts units in the scale's last place, and every p is the float32 sum exactly. Taps outside the map arrive as
// the zero point and add nothing.
//
// A word's W channels go through R lanes in SLOTS = W/R cycles. A tap is held for HOLD = max(SLOTS, 3) cycles: the
// loop through a lane's adder takes 3, the rest of a turn its sum waits in a shift register.
//
//   cycle t         tap_valid_i, tap_first_i, word_i
//         t+1+j     slot j: channels j*R .. j*R+R-1      j = 0 .. SLOTS-1
//         t+5+j     their products, rounded
//         t+8+j     p
//         t+11+j    sum_o
//
// W        1 ..       channels of a word
// R        1 .. W     lanes; W a multiple of R
// FLOAT_W  34 .. 48   bits of a signed sum: 26 more than the largest integer sum has, or so
module o2c_pool_float #(
  parameter integer W       = 16,
  parameter integer R       = 4,
  parameter integer FLOAT_W = 40
) (
  input  wire                 clk_i,
  input  wire [8*W-1:0]       word_i,
  input  wire                 tap_valid_i,
  input  wire                 tap_first_i,
  input  wire signed [7:0]    zero_i,
  input  wire [23:0]          mantissa_i,
  output wire [R*FLOAT_W-1:0] sum_o
);
  localparam integer SLOTS = W / R;
  localparam integer HOLD  = SLOTS > 3 ? SLOTS : 3;
  localparam integer WAIT  = HOLD - 3;

  generate if (R > W || (W % R) != 0 || FLOAT_W < 34 || FLOAT_W > 48) begin : gen_bad
`ifdef VERILATOR
    $error("o2c_pool_float: W must be a multiple of R, FLOAT_W 34 to 48");
`else
    o2c_pool_float_ERROR_W_multiple_of_R_and_FLOAT_W_34_to_48 u_bad ();
`endif
  end endgenerate

  reg [8*W-1:0] word1;
  reg           first1, first2, first3, first4, first5;
  always @(posedge clk_i) begin
    word1 <= tap_valid_i ? word_i : word1 >> (8 * R);
    if (tap_valid_i) first1 <= tap_first_i;
    first2 <= first1;
    first3 <= first2;
    first4 <= first3;
    first5 <= first4;
  end

  genvar r;
  generate for (r = 0; r < R; r = r + 1) begin : gen_lane
    // |x - zero| * mantissa, at most 32 bits, rounded.
    wire signed [7:0] x = word1[8*r +: 8];
    wire signed [8:0] centred = {x[7], x} - {zero_i[7], zero_i};
    wire        [8:0] size = centred[8] ? -centred : centred;
    reg         [7:0] size2;
    reg        [31:0] product3, product4;
    reg               neg2, neg3, neg4, neg5;
    wire       [32:0] rounded;
    reg        [31:0] term5;
    o2c_round24 #(.W (33)) u_round_product (.x_i ({1'b0, product4}), .y_o (rounded));
    always @(posedge clk_i) begin
      size2    <= size[7:0];
      neg2     <= centred[8];
      product3 <= size2 * mantissa_i;
      neg3     <= neg2;
      product4 <= product3;
      neg4     <= neg3;
      term5    <= rounded[31:0];
      neg5     <= neg4;
    end

    // The sum so far as sign and magnitude; the term is added relative to its sign.
    wire [FLOAT_W-1:0] sum_mag;
    wire               sum_neg;
    wire               differ = neg5 ^ (sum_neg & ~first5);
    wire [FLOAT_W-1:0] term   = {{(FLOAT_W-32){1'b0}}, term5};
    reg  [FLOAT_W-1:0] total6, mag7, mag8;
    reg                neg6, neg7, neg8;
    wire [FLOAT_W-1:0] mag7_rounded;
    o2c_round24 #(.W (FLOAT_W)) u_round_sum (.x_i (mag7), .y_o (mag7_rounded));
    always @(posedge clk_i) begin
      total6 <= (first5 ? {FLOAT_W{1'b0}} : sum_mag) + (term ^ {FLOAT_W{differ}}) + {{(FLOAT_W-1){1'b0}}, differ};
      neg6   <= sum_neg & ~first5;
      mag7   <= total6[FLOAT_W-1] ? -total6 : total6;
      neg7   <= neg6 ^ total6[FLOAT_W-1];
      mag8   <= mag7_rounded;
      neg8   <= neg7;
    end
    if (WAIT == 0) begin : gen_direct
      assign {sum_neg, sum_mag} = {neg8, mag8};
    end else begin : gen_wait
      reg [WAIT*(FLOAT_W+1)-1:0] turn;
      wire [WAIT*(FLOAT_W+1)+FLOAT_W:0] turned = {turn, neg8, mag8};
      always @(posedge clk_i) turn <= turned[WAIT*(FLOAT_W+1)-1:0];
      wire unused_turned = &{1'b0, turned};
      assign {sum_neg, sum_mag} = turn[(WAIT-1)*(FLOAT_W+1) +: FLOAT_W+1];
    end

    reg [FLOAT_W-1:0] sum9, sum10, sum11;
    always @(posedge clk_i) begin
      sum9  <= neg8 ? -mag8 : mag8;
      sum10 <= sum9;
      sum11 <= sum10;
    end
    assign sum_o[r*FLOAT_W +: FLOAT_W] = sum11;
    wire unused_ok = &{1'b0, size[8], rounded[32]};
  end endgenerate
endmodule
`default_nettype wire
