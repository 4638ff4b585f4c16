`default_nettype none
// The post pipeline: drains sums, adds the bias, requantizes, applies tables, adds the residual, writes words.
//
//   acc = sum + bias[channel];  q = requantize(acc)            (o2c_requantize)
//   y   = table ? clamp(round(TA[q] + (residual ? TB[b] : 0)), y_lo, y_hi) : q      (o2c_table_round)
//   or, with a table of thresholds and the sum p that o2c_pool_float makes:   y = q + (p >= TA[q])
//   or, with the product p that o2c_product makes of a and b:                y = q + (p >= TA[q] + c),
//   c = TB[x], or 255 - TB[x] where p is negative, x a byte of one of them
//
// A vector is the channels of one pixel that one unit yields (array: K, pool: W, depthwise: G); it leaves in groups of
// G = min(K, W) channels, R a cycle, one group every gl cycles (gl >= G/R; at least 2 with a residual, so that
// reading the operand and writing the result never meet on the scratchpad's port B). A group is written as one
// slice of a scratchpad word. Pixels and channels beyond the layer's are not written.
//
// Vectors come channel block by channel block, in each pixel by pixel: runs of run_last_i + 1 pixels whose words are
// out_step_i apart, and out_wrap_i from a run's last to the next one's first. Runs are rows (array, pool) or columns
// (depthwise). Words of the same pixel are out_plane_i apart. With HAS_RING = 1 the rows may stand in a ring: behind the
// last word of run ring_at_i (array, pool), or behind pixel ring_at_i of every run (depthwise), the step is out_around_i.
//
//   cycle x0      parameters are addressed                   trig_i comes in the cycle before x0
//         x2      sums at the chains' heads, parameters out; the chains move on at its end
//         x3      accumulator (bias added)
//         x9      q; table TA addressed, and TB by the residual byte
//         x11     table words;  x12 their sum;  x13 y
//         x14     a group's word is written (counted from its last R channels)
//
// Parameter word, least significant first, R times: bias BIAS_W, mul MUL_W, off OFF_W, shift SHIFT_W, and
// exact (1 bit) if EXACT; above them SELECT_W bits: which table, counted from the layer's. Array layers: K/R words a channel block. Pool layers: one word (a unit may choose one by trig_div_i). Depthwise layers: G/R.
//
// SUM_W is the width of an array or pool sum, ACC_W of the sum with bias; HAS_TABLE = 0 leaves the tables out,
// FLOAT_W = 0 the thresholds; HAS_PRODUCT = 1 adds TB to them. With EXT the parameters are written from outside (ext_*), else they are PARAM_INIT.
module o2c_post #(
  parameter integer W         = 16,
  parameter integer K         = 16,
  parameter integer R         = 4,
  parameter integer SUM_W     = 24,
  parameter integer ACC_W     = 25,
  parameter integer BIAS_W    = 24,
  parameter integer MUL_W     = 20,
  parameter integer OFF_W     = 44,
  parameter integer SHIFT_W   = 6,
  parameter integer SHIFT_BASE = 0,
  parameter integer SHIFT_MAX = 40,
  parameter integer EXACT     = 0,
  parameter integer AW        = 12,
  parameter integer PDEPTH    = 64,
  parameter integer NW        = 8,
  parameter integer MW        = 16,
  parameter integer HAS_TABLE = 1,
  parameter integer TABLE_W   = 18,
  parameter integer TABLE_SHIFT = 8,
  parameter integer TABLE_WINDOW = 0,
  parameter integer FLOAT_W   = 0,
  parameter integer HAS_PRODUCT = 0,
  parameter integer SELECT_W  = 0,
  parameter integer TDEPTH    = 256,
  parameter integer EXT       = 0,
  parameter integer HAS_RING  = 0,
  parameter         PARAM_INIT   = "",
  parameter         TABLE_A_INIT = "",
  parameter         TABLE_B_INIT = "",
  localparam integer G   = K < W ? K : W,
  localparam integer NS  = W / G,
  localparam integer FLOAT_N = FLOAT_W > 0 ? FLOAT_W : 1,
  localparam integer PAW = PDEPTH > 1 ? $clog2(PDEPTH) : 1
) (
  input  wire               clk_i,
  input  wire               rst_ni,
  // Configuration, stable while the layer runs
  input  wire               start_i,
  input  wire               pool_i,
  input  wire               depthwise_i,
  input  wire               product_i,
  input  wire               residual_i,
  input  wire               table_i,
  input  wire [7:0]         q_lo_i,
  input  wire [7:0]         q_hi_i,
  input  wire [7:0]         y_lo_i,
  input  wire [7:0]         y_hi_i,
  input  wire               table_odd_i,
  input  wire               table_unsigned_i,
  input  wire               table_threshold_i,
  input  wire [7:0]         table_index_i,
  input  wire [7:0]         gl_last_i,
  input  wire [7:0]         vec_last_i,      // array: min(P, pixels) - 1; pool: 0
  input  wire [NW-1:0]      kb_last_i,       // blocks of channels (array: of K, else of W) - 1
  input  wire [MW-1:0]      pixels_i,
  input  wire [15:0]        run_last_i,
  input  wire [AW-1:0]      out_base_i,
  input  wire [AW-1:0]      out_step_i,
  input  wire [AW-1:0]      out_wrap_i,
  input  wire [AW-1:0]      out_plane_i,
  input  wire [15:0]        ring_at_i,
  input  wire [AW-1:0]      out_around_i,
  input  wire [15:0]        out_groups_i,    // slices that hold channels of the layer
  input  wire [AW-1:0]      res_delta_i,     // residual operand's address minus the output's
  input  wire [PAW-1:0]     param_base_i,
  // Parameters from outside
  input  wire               ext_we_i,
  input  wire [PAW-1:0]     ext_addr_i,
  input  wire [R*(BIAS_W+MUL_W+OFF_W+SHIFT_W+EXACT)+SELECT_W-1:0] ext_data_i,
  // Units
  input  wire               trig_i,
  input  wire [PAW-1:0]     trig_div_i,      // pool: parameter offset of this unit
  output wire               shift_o,         // the chains move on
  output wire               shift_early_o,   // the same two cycles before
  input  wire [R*SUM_W-1:0] head_i,
  input  wire [R*FLOAT_N-1:0] float_i,       // at x11
  input  wire [8*R-1:0]     factor_i,        // product: bytes of a factor, at x9
  // Scratchpad port B
  output reg                we_o,
  output reg  [NS-1:0]      slice_o,
  output reg  [AW-1:0]      waddr_o,
  output reg  [8*G-1:0]     wdata_o,
  output wire               rd_o,
  output wire [AW-1:0]      raddr_o,
  input  wire [8*W-1:0]     rdata_i,
  output reg                done_o           // with the layer's last write
);
  localparam integer GR  = G / R;                       // cycles of a group's channels
  localparam integer SLW = NS > 1 ? $clog2(NS) : 0;     // bits of a slice number
  localparam integer PW  = BIAS_W + MUL_W + OFF_W + SHIFT_W + EXACT;
  localparam integer KR  = K / R;
  localparam integer XR  = GR == 1 ? 5 : 6;             // cycle of the residual read
  localparam integer X   = 14;                          // cycle of the write
  localparam integer GPVA = K / G - 1;
  localparam integer GPVP = W / G - 1;

  generate if (R > G || (G % R) != 0 || ACC_W < SUM_W || ACC_W < BIAS_W || TABLE_W < FLOAT_W) begin : gen_bad
`ifdef VERILATOR
    $error("o2c_post: R must divide min(K, W); ACC_W must cover SUM_W and BIAS_W, TABLE_W FLOAT_W");
`else
    o2c_post_ERROR_R_must_divide_min_K_W_and_ACC_W_cover_SUM_W_and_BIAS_W_and_TABLE_W_FLOAT_W u_bad ();
`endif
  end endgenerate

  // ---------------------------------------------------------------- x0: counters
  reg             busy;
  reg [7:0]       sub;                   // cycle in the group
  reg [7:0]       grp;                   // group in the vector
  reg [7:0]       vec;                   // vector in the unit
  reg [MW-1:0]    pixel;                 // in the order in which they come
  reg [15:0]      run;                   // pixel in the run
  reg [15:0]      runs;                  // run of the block
  reg [NW-1:0]    block;
  reg [15:0]      gbase;                 // first group of the block
  reg [AW-1:0]    paddr;                 // the pixel's word in the block's first plane
  reg [AW-1:0]    bplane, gplane;        // the planes of the block's first group and of this one, from the first plane
  reg [PAW-1:0]   pbase, pofs;

  localparam [7:0] GR_LAST = GR[7:0] - 8'd1;
  wire [7:0] gpv_last = pool_i ? GPVP[7:0] : depthwise_i ? 8'd0 : GPVA[7:0];
  wire sub_last  = sub == gl_last_i;
  wire grp_last  = grp == gpv_last;
  wire vec_last  = vec == vec_last_i;
  wire vec_end   = sub_last & grp_last;
  wire unit_end  = vec_end & vec_last;
  wire data      = busy & (sub <= GR_LAST);
  wire data_last = busy & (sub == GR_LAST);
  wire block_last = block == kb_last_i;
  wire [MW-1:0] pixel_next = pixel + 1'b1;
  wire run_end   = run == run_last_i;
  wire around    = HAS_RING != 0 && (depthwise_i ? run == ring_at_i : run_end && runs == ring_at_i);
  wire rows_end  = pixel_next >= pixels_i;              // this vector is the block's last, or one beyond it
  wire layer_last_group = grp_last & vec_last & block_last & rows_end;

  wire [15:0] gidx = gbase + {8'd0, grp};
  wire in_layer = (pixel < pixels_i) & (gidx < out_groups_i);
  wire [AW-1:0] gplane_next;
  generate if (NS > 1) begin : gen_slices
    localparam integer SLASTI = NS - 1;
    assign gplane_next = gidx[SLW-1:0] == SLASTI[SLW-1:0] ? gplane + out_plane_i : gplane;
  end else begin : gen_words
    assign gplane_next = gplane + out_plane_i;
  end endgenerate

  always @(posedge clk_i) begin
    if (!rst_ni) busy <= 1'b0;
    else if (trig_i) busy <= 1'b1;
    else if (unit_end) busy <= 1'b0;

    if (start_i) begin
      pixel  <= {MW{1'b0}};
      run    <= 16'd0;
      runs   <= 16'd0;
      block  <= {NW{1'b0}};
      gbase  <= 16'd0;
      paddr  <= out_base_i;
      bplane <= {AW{1'b0}};
      gplane <= {AW{1'b0}};
      pbase  <= param_base_i;
    end
    if (trig_i) begin
      sub <= 8'd0;
      grp <= 8'd0;
      vec <= 8'd0;
      pofs <= pool_i ? trig_div_i : {PAW{1'b0}};
    end
    if (busy) begin
      if (!trig_i) sub <= sub_last ? 8'd0 : sub + 8'd1;
      if (data && !pool_i && !trig_i) pofs <= pofs + 1'b1;
      if (sub_last) begin
        if (!trig_i) grp <= grp_last ? 8'd0 : grp + 8'd1;
        gplane <= gplane_next;
      end
      if (vec_end) begin
        if (!trig_i) begin
          vec <= vec + 8'd1;
          if (!pool_i) pofs <= {PAW{1'b0}};
        end
        gplane <= bplane;
        pixel  <= pixel_next;
        run    <= run_end ? 16'd0 : run + 16'd1;
        if (run_end) runs <= runs + 16'd1;
        paddr  <= paddr + (around ? out_around_i : run_end ? out_wrap_i : out_step_i);
        if (vec_last && rows_end) begin
          pixel  <= {MW{1'b0}};
          run    <= 16'd0;
          runs   <= 16'd0;
          paddr  <= out_base_i;
          block  <= block + 1'b1;
          bplane <= gplane_next;
          gplane <= gplane_next;
          gbase  <= gbase + (pool_i ? W[15:0] / G[15:0] : depthwise_i ? 16'd1 : K[15:0] / G[15:0]);
          if (!pool_i) pbase <= pbase + (depthwise_i ? GR[PAW-1:0] : KR[PAW-1:0]);
        end
      end
    end
  end

  // ---------------------------------------------------------------- delays
  reg [X-1:1] data_x, data_last_x, inside_x, done_x, first_x;
  (* mem2reg *) reg [AW-1:0] addr_x [1:X-1];
  localparam integer SLN = SLW > 0 ? SLW : 1;
  (* mem2reg *) reg [SLN-1:0] slice_x [1:X-1];
  wire [SLN-1:0] slice_0 = NS > 1 ? gidx[SLN-1:0] : {SLN{1'b0}};
  integer d;
  always @(posedge clk_i) begin
    data_x      <= {data_x[X-2:1], data};
    data_last_x <= {data_last_x[X-2:1], data_last & rst_ni};
    inside_x    <= {inside_x[X-2:1], in_layer};
    done_x      <= {done_x[X-2:1], layer_last_group};
    first_x     <= {first_x[X-2:1], busy & (sub == 8'd0)};
    addr_x[1]   <= paddr + gplane;
    slice_x[1]  <= slice_0;
    for (d = 2; d < X; d = d + 1) begin
      addr_x[d]  <= addr_x[d-1];
      slice_x[d] <= slice_x[d-1];
    end
  end
  assign shift_o = data_x[2];
  assign shift_early_o = data;

  // ---------------------------------------------------------------- x0 .. x9: bias, requantize
  wire [R*PW+SELECT_W-1:0] param;
  generate if (EXT != 0) begin : gen_param_ram
    o2c_ram_sdp #(.WIDTH (R * PW + SELECT_W), .DEPTH (PDEPTH)) u_param (
      .clk_i    (clk_i),
      .r_addr_i (pbase + pofs),
      .r_data_o (param),
      .w_en_i   (ext_we_i),
      .w_addr_i (ext_addr_i),
      .w_data_i (ext_data_i)
    );
  end else begin : gen_param_rom
    o2c_rom #(.WIDTH (R * PW + SELECT_W), .DEPTH (PDEPTH), .INIT (PARAM_INIT)) u_param (
      .clk_i  (clk_i),
      .addr_i (pbase + pofs),
      .data_o (param)
    );
    wire unused_ok = &{1'b0, ext_we_i, ext_addr_i, ext_data_i};
  end endgenerate

  wire [8*R-1:0] q_x9;
  wire [32*R-1:0] acc_x3;
  genvar r;
  generate for (r = 0; r < R; r = r + 1) begin : gen_lane
    wire signed [BIAS_W-1:0] bias = param[r*PW +: BIAS_W];
    wire signed [SUM_W-1:0]  sum  = head_i[r*SUM_W +: SUM_W];
    wire signed [ACC_W-1:0]  bias_e = {{(ACC_W-BIAS_W+1){bias[BIAS_W-1]}}, bias[BIAS_W-2:0]};
    wire signed [ACC_W-1:0]  sum_e  = {{(ACC_W-SUM_W+1){sum[SUM_W-1]}}, sum[SUM_W-2:0]};
    reg  signed [ACC_W-1:0]  acc;
    reg  [MUL_W-1:0]         mul;
    reg  signed [OFF_W-1:0]  off;
    reg  [SHIFT_W-1:0]       shift;
    reg                      exact;
    always @(posedge clk_i) begin
      acc   <= sum_e + bias_e;
      mul   <= param[r*PW + BIAS_W +: MUL_W];
      off   <= param[r*PW + BIAS_W + MUL_W +: OFF_W];
      shift <= param[r*PW + BIAS_W + MUL_W + OFF_W +: SHIFT_W];
      exact <= EXACT != 0 ? param[r*PW + PW - 1] : 1'b0;
    end
    o2c_requantize #(
      .ACC_W     (ACC_W),
      .MUL_W     (MUL_W),
      .OFF_W     (OFF_W),
      .SHIFT_W   (SHIFT_W),
      .SHIFT_BASE (SHIFT_BASE),
      .SHIFT_MAX (SHIFT_MAX),
      .EXACT     (EXACT)
    ) u_requantize (
      .clk_i   (clk_i),
      .acc_i   (acc),
      .mul_i   (mul),
      .off_i   (off),
      .shift_i (shift),
      .exact_i (exact),
      .lo_i    (q_lo_i),
      .hi_i    (q_hi_i),
      .q_o     (q_x9[8*r +: 8])
    );
    assign acc_x3[32*r +: 32] = {{(33-ACC_W){acc[ACC_W-1]}}, acc[ACC_W-2:0]};
  end endgenerate

  // ---------------------------------------------------------------- x9 .. x13: tables, residual
  wire [8*R-1:0] y_x13;
  reg  [8*R-1:0] q_x10, q_x11, q_x12, q_x13;
  always @(posedge clk_i) begin
    q_x10 <= q_x9;
    q_x11 <= q_x10;
    q_x12 <= q_x11;
    q_x13 <= q_x12;
  end

  reg [AW-1:0] raddr_q;
  always @(posedge clk_i) raddr_q <= addr_x[XR-1] + res_delta_i;
  assign raddr_o = raddr_q;
  generate if (HAS_TABLE != 0) begin : gen_table
    localparam integer TAW = TDEPTH > 1 ? $clog2(TDEPTH) : 1;
    assign rd_o = first_x[XR] & residual_i;

    // The operand's slice, R bytes a cycle, at x9.
    wire [SLN-1:0] rslice = slice_x[8];
    wire [8*G-1:0] rgroup;
    if (NS > 1) begin : gen_select
      assign rgroup = rdata_i[rslice*8*G +: 8*G];
    end else begin : gen_whole
      wire unused_ok = &{1'b0, rslice};
      assign rgroup = rdata_i;
    end
    reg [8*G-1:0] operand;
    if (GR == 1) begin : gen_hold
      // Read a cycle earlier; the slice number must be that of the word.
      reg [8*W-1:0] held;
      always @(posedge clk_i) held <= rdata_i;
      wire [8*G-1:0] held_group;
      if (NS > 1) begin : gen_held_select
        assign held_group = held[rslice*8*G +: 8*G];
      end else begin : gen_held_whole
        assign held_group = held;
      end
      wire unused_ok = &{1'b0, rgroup, first_x[8]};
      always @(posedge clk_i) operand <= held_group;
    end else begin : gen_chain
      always @(posedge clk_i) operand <= first_x[8] ? rgroup : operand >> (8 * R);
    end

    // Which table: x2 to x9.
    wire [15:0] table_base;
    if (SELECT_W > 0) begin : gen_select_table
      (* mem2reg *) reg [SELECT_W-1:0] select_x [3:9];
      integer s;
      always @(posedge clk_i) begin
        select_x[3] <= param[R*PW +: SELECT_W];
        for (s = 4; s <= 9; s = s + 1) select_x[s] <= select_x[s-1];
      end
      wire [SELECT_W+7:0] select = {8'd0, select_x[9]};
      wire unused_select = &{1'b0, select};
      assign table_base = {table_index_i + select[7:0], 8'd0};
    end else begin : gen_one_table
      assign table_base = {table_index_i, 8'd0};
    end
    for (r = 0; r < R; r = r + 1) begin : gen_lane_table
      wire [15:0] ia = table_base | {8'd0, ~q_x9[8*r + 7], q_x9[8*r +: 7]};
      wire [7:0]  other = HAS_PRODUCT != 0 && FLOAT_W > 0 && product_i && table_threshold_i ? factor_i[8*r +: 8]
                                                                                            : operand[8*r +: 8];
      wire [15:0] ib = table_base | {8'd0, ~other[7], other[6:0]};
      wire unused_index = &{1'b0, ia, ib, product_i, factor_i[8*r +: 8]};
      wire signed [TABLE_W-1:0] ta, tb;
      o2c_rom #(.WIDTH (TABLE_W), .DEPTH (TDEPTH), .INIT (TABLE_A_INIT)) u_table_a (
        .clk_i (clk_i), .addr_i (ia[TAW-1:0]), .data_o (ta)
      );
      o2c_rom #(.WIDTH (TABLE_W), .DEPTH (TDEPTH), .INIT (TABLE_B_INIT)) u_table_b (
        .clk_i (clk_i), .addr_i (ib[TAW-1:0]), .data_o (tb)
      );
      reg  signed [TABLE_W:0] s_x12;
      reg  [7:0] t_x13;
      wire [7:0] rounded;
      wire [7:0] result_x12;
      o2c_table_round #(.SUM_W (TABLE_W + 1), .SHIFT (TABLE_SHIFT), .WINDOW (TABLE_WINDOW)) u_round (
        .sum_i (s_x12), .odd_i (table_odd_i), .unsigned_i (table_unsigned_i), .lo_i (y_lo_i), .hi_i (y_hi_i),
        .y_o   (rounded)
      );
      always @(posedge clk_i) begin
        s_x12 <= {ta[TABLE_W-1], ta} + (residual_i ? {tb[TABLE_W-1], tb} : {(TABLE_W+1){1'b0}});
        t_x13 <= result_x12;
      end
      if (FLOAT_W > 0) begin : gen_threshold
        wire signed [TABLE_W-1:0] p_x11 =
          {{(TABLE_W-FLOAT_N+1){float_i[r*FLOAT_N + FLOAT_N - 1]}}, float_i[r*FLOAT_N +: FLOAT_N-1]};
        reg reached_x12;
        if (HAS_PRODUCT != 0) begin : gen_corrected
          wire [7:0] correction = tb[7:0] ^ {8{p_x11[TABLE_W-1]}};
          wire signed [TABLE_W:0] least =
            {ta[TABLE_W-1], ta} + (product_i ? {{(TABLE_W-7){1'b0}}, correction} : {(TABLE_W+1){1'b0}});
          wire signed [TABLE_W:0] p_wide = {p_x11[TABLE_W-1], p_x11};
          always @(posedge clk_i) reached_x12 <= p_wide >= least;
        end else begin : gen_plain
          always @(posedge clk_i) reached_x12 <= p_x11 >= ta;
        end
        assign result_x12 = table_threshold_i ? q_x12[8*r +: 8] + {7'd0, reached_x12} : rounded;
      end else begin : gen_no_threshold
        wire unused_ok = &{1'b0, table_threshold_i, float_i[r*FLOAT_N +: FLOAT_N]};
        assign result_x12 = rounded;
      end
      assign y_x13[8*r +: 8] = table_i ? t_x13 : q_x13[8*r +: 8];
    end
  end else begin : gen_no_table
    assign rd_o = 1'b0;
    assign y_x13 = q_x13;
    wire unused_ok = &{1'b0, residual_i, table_i, y_lo_i, y_hi_i, table_odd_i, table_unsigned_i,
                      table_threshold_i, table_index_i, float_i, factor_i, product_i, rdata_i, first_x};
  end endgenerate

  // ---------------------------------------------------------------- x13 .. x14: gather and write
  wire [8*G-1:0] gathered;
  generate if (GR == 1) begin : gen_direct
    assign gathered = y_x13;
  end else begin : gen_gather
    reg [8*(G-R)-1:0] part;
    assign gathered = {y_x13, part};
    always @(posedge clk_i) if (data_x[X-1]) part <= gathered[8*G-1:8*R];
  end endgenerate

  always @(posedge clk_i) begin
    we_o    <= data_last_x[X-1] & inside_x[X-1];
    done_o  <= data_last_x[X-1] & done_x[X-1];
    slice_o <= {{(NS-1){1'b0}}, 1'b1} << slice_x[X-1];
    waddr_o <= addr_x[X-1];
    wdata_o <= gathered;
  end

  // ---------------------------------------------------------------- trace, for testbenches
`ifndef SYNTHESIS
  reg              trace_valid /* verilator public_flat_rd */;
  reg [31:0]       trace_pixel /* verilator public_flat_rd */;
  reg [15:0]       trace_channel /* verilator public_flat_rd */;
  reg [32*R-1:0]   trace_acc /* verilator public_flat_rd */;
  reg [8*R-1:0]    trace_q /* verilator public_flat_rd */;
  reg [8*R-1:0]    trace_y /* verilator public_flat_rd */;
  (* mem2reg *) reg [32*R-1:0] acc_x [4:X-1];
  (* mem2reg *) reg [31:0] pixel_x [1:X-1];
  (* mem2reg *) reg [15:0] channel_x [1:X-1];
  wire [15:0] channel_0 = gidx * G[15:0] + {8'd0, sub} * R[15:0];
  integer e;
  always @(posedge clk_i) begin
    acc_x[4]     <= acc_x3;
    pixel_x[1]   <= {{(32-MW){1'b0}}, pixel};
    channel_x[1] <= channel_0;
    for (e = 5; e < X; e = e + 1) acc_x[e] <= acc_x[e-1];
    for (e = 2; e < X; e = e + 1) begin
      pixel_x[e]   <= pixel_x[e-1];
      channel_x[e] <= channel_x[e-1];
    end
    trace_valid   <= data_x[X-1] & inside_x[X-1] & rst_ni;
    trace_pixel   <= pixel_x[X-1];
    trace_channel <= channel_x[X-1];
    trace_acc     <= acc_x[X-1];
    trace_q       <= table_threshold_i ? y_x13 : q_x13;   // what comes before a further table
    trace_y       <= y_x13;
  end
`else
  wire unused_trace = &{1'b0, acc_x3};
`endif
endmodule
`default_nettype wire
