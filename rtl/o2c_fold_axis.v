`default_nettype none
// One axis of a window's walk over a map: where the walk stands, and which places end a window.
//
// Places are counted from the first one of the first window; the map begins at PAD. The walk begins
// at min(PAD, K - 1), since a window's earlier places are pads anyway, and ends with the map or the
// last window, whichever is later.
//
//   on_o     the place is the map's
//   first_o  the walk begins here, with pads before it
//   end_o    the walk ends here; the next step begins again
//   hit_o    a window ends here: the place is K - 1 + i*STRIDE for an i = 0 .. OUT-1
//
// Parameters (checked at elaboration)
//   K  1..64      IN, STRIDE, OUT  1..65535      PAD  0..65535
// again_i  begins again with the next cycle; goes before step_i. It stands in for a reset.
// Speed    a step a cycle; outputs depend on registers alone.
//
//   clk_i    _/~\_/~\_/~\_/~\_/~\_/~\_      IN = 3, K = 3, STRIDE = 2, PAD = 1, OUT = 2
//   again_i  _/~~\_____________________
//   step_i   _____/~~~~~~~~~~~~~~~~~~~~
//   on_o     _____/~~~~~~~~~~~\___/~~~~
//   hit_o    _________/~~~\___/~~~\____
module o2c_fold_axis #(
  parameter integer IN     = 8,
  parameter integer K      = 3,
  parameter integer STRIDE = 1,
  parameter integer PAD    = 1,
  parameter integer OUT    = 8
) (
  input  wire clk_i,
  input  wire again_i,
  input  wire step_i,
  output wire on_o,
  output wire first_o,
  output wire end_o,
  output wire hit_o
);

  generate if (IN < 1 || IN > 65535 || K < 1 || K > 64 || STRIDE < 1 || STRIDE > 65535 || PAD < 0
               || PAD > 65535 || OUT < 1 || OUT > 65535) begin : gen_bad_parameter
`ifdef VERILATOR
    $error("o2c_fold_axis: K must be 1..64, PAD 0..65535, the others 1..65535");
`else
    o2c_fold_axis_ERROR_K_must_be_1_to_64_PAD_0_to_65535_others_1_to_65535 u_bad ();
`endif
  end endgenerate

  localparam integer FIRST = (PAD < K - 1) ? PAD : K - 1;
  localparam integer REACH = (OUT - 1) * STRIDE + K;
  localparam integer ENDS  = (REACH > PAD + IN) ? REACH : PAD + IN;
  localparam integer P_W   = (ENDS > 1) ? $clog2(ENDS) : 1;
  localparam integer First = FIRST, Last = ENDS - 1, MapBefore = PAD - 1, MapLast = PAD + IN - 1;
  localparam [0:0]   OnFirst = (PAD <= K - 1) ? 1'b1 : 1'b0;
  // Steps before the first window's end, and from one to the next.
  localparam integer Wait = K - 1 - FIRST, Next = STRIDE - 1, Windows = OUT;
  localparam integer MOST = (Next > Wait) ? Next : Wait;
  localparam integer S_W  = (MOST > 0) ? $clog2(MOST + 1) : 1;
  localparam integer O_W  = $clog2(OUT + 1);

  reg [P_W-1:0] at_q;
  reg           on_q;
  reg [S_W-1:0] wait_q;  // steps before the next window's end
  reg [O_W-1:0] left_q;  // windows to come
  wire due = (wait_q == {S_W{1'b0}});
  assign on_o    = on_q;
  assign first_o = (FIRST != 0) && (at_q == First[P_W-1:0]);
  assign end_o   = (at_q == Last[P_W-1:0]);
  assign hit_o   = due && (left_q != {O_W{1'b0}});

  always @(posedge clk_i) begin
    if (again_i || (step_i && end_o)) begin
      at_q <= First[P_W-1:0];
      on_q <= OnFirst;
      wait_q <= Wait[S_W-1:0];
      left_q <= Windows[O_W-1:0];
    end else if (step_i) begin
      at_q <= at_q + 1'b1;
      if (PAD != 0 && at_q == MapBefore[P_W-1:0]) on_q <= 1'b1;
      else if (at_q == MapLast[P_W-1:0]) on_q <= 1'b0;
      wait_q <= due ? Next[S_W-1:0] : wait_q - 1'b1;
      if (hit_o) left_q <= left_q - 1'b1;
    end
  end

endmodule
`default_nettype wire
