`default_nettype none
// Lays the window of a convolution out as one group of bytes, for each place of the window.
//
//   group (oh, ow), byte b = (kh*KW + kw)*IN_C + c
//     =  byte (oh*STRIDE_H - PAD_T + kh, ow*STRIDE_W - PAD_L + kw, c) of the map,
//        or PAD_VALUE outside it
//   A group leaves as NW = ceil(KH*KW*IN_C / W) words, its bytes lowest first, then zeros; groups
//   in row, column order.
//
// A column of the window is KH pixels: the newest from the stream, those above it from a delay line
// as long as a row. Columns pass, pads among them, and the last KW are the window.
//
// Parameters (checked at elaboration)
//   W            bytes of a word, 1..64
//   LANES        bytes taken at once, a power of two, 1..64
//   IN_H, IN_W, IN_C   1..65535 each
//   KH, KW       1..64; KH*KW*IN_C <= 256
//   STRIDE_H, STRIDE_W, OUT_H, OUT_W   1..65535      PAD_T, PAD_L   0..65535
//                rows and columns of pads at the end follow from them; the map's last rows and
//                columns may be in no window
//   PAD_VALUE    0..255
// Stream   s_*: transfer iff valid && ready, of a pixel's next LANES bytes, or of those that are left of it:
//          T = ceil(IN_C / LANES) takes, s_end_i with the last one. s_ready_o depends on m_ready_i, not on s_valid_i.
// Words    m_*: transfer iff valid && ready; m_end_o with the last word of a group. Valid and word
//          hold until m_ready_i and do not depend on it.
// busy_o   high from the cycle after a sample's first take until all its words are gone and all its
//          pixels are used up.
// clear_i  a pulse: the sample under way is dropped, its words too.
// Cycles   One column enters the window in a cycle: a pixel's when its last byte has come, one of
//          pads at once; after one that completes a group the next waits NW cycles. With m_ready_i
//          high and s_valid_i in each cycle with s_ready_o, let E(k) be the cycles of pixel k's column
//          and of those of pads between it and the next pixel's: 1 each, NW where it completes a
//          group; and E(-1) those of the pads before pixel 0, and 1. Pixel k's column enters
//            t(0) = max(T, E(-1)),   t(k) = t(k-1) + max(T, E(k-1))
//          cycles after the first take. With n the last pixel, busy_o is low t(n) + E(n) cycles
//          after the first take, one later where the last column completes a group.
//          Pads are visited only beyond the first KH - 1 rows and KW - 1 columns of a window.
// Reset    rst_ni synchronous, active low: as clear_i
//
//   clk_i      _/~\_/~\_/~\_/~\_/~\_/~\_/~\_     IN_C = 1, LANES = 1, KH = 1, KW = 3, PAD_L = 1, W = 2
//   s_data_i   <a ><b ><c ><d     ><e     >
//   s_ready_o  ~~~~~~~~~~~~\___/~~~\___/~~~
//   m_data_o               <aP><.b><ba><.c>
//   m_end_o    ________________/~~~\___/~~~
module o2c_fold #(
  parameter integer W         = 16,
  parameter integer LANES     = 1,
  parameter integer IN_H      = 8,
  parameter integer IN_W      = 8,
  parameter integer IN_C      = 3,
  parameter integer KH        = 3,
  parameter integer KW        = 3,
  parameter integer STRIDE_H  = 1,
  parameter integer STRIDE_W  = 1,
  parameter integer PAD_T     = 1,
  parameter integer PAD_L     = 1,
  parameter integer OUT_H     = 8,
  parameter integer OUT_W     = 8,
  parameter integer PAD_VALUE = 0
) (
  input  wire               clk_i,
  input  wire               rst_ni,
  input  wire               clear_i,
  // Bytes
  input  wire               s_valid_i,
  output wire               s_ready_o,
  input  wire [8*LANES-1:0] s_data_i,
  input  wire               s_end_i,
  // Words
  output wire               m_valid_o,
  input  wire               m_ready_i,
  output wire     [8*W-1:0] m_data_o,
  output wire               m_end_o,
  output wire               busy_o
);

  localparam integer COLUMN = KH * IN_C;            // bytes of a column of the window
  localparam integer GROUP  = KW * COLUMN;
  localparam integer NW     = (GROUP + W - 1) / W;

  generate if (W < 1 || W > 64 || LANES < 1 || LANES > 64 || (LANES & (LANES - 1)) != 0
               || IN_H < 1 || IN_H > 65535 || IN_W < 1 || IN_W > 65535 || IN_C < 1
               || IN_C > 256 || KH < 1 || KH > 64 || KW < 1 || KW > 64 || GROUP > 256
               || STRIDE_H < 1 || STRIDE_H > 65535 || STRIDE_W < 1 || STRIDE_W > 65535
               || PAD_T < 0 || PAD_T > 65535 || PAD_L < 0 || PAD_L > 65535
               || OUT_H < 1 || OUT_H > 65535 || OUT_W < 1 || OUT_W > 65535
               || PAD_VALUE < 0 || PAD_VALUE > 255) begin : gen_bad_parameter
`ifdef VERILATOR
    $error("o2c_fold: a parameter is outside its range, see the header");
`else
    o2c_fold_ERROR_a_parameter_is_outside_its_range u_bad ();
`endif
  end endgenerate

  localparam integer PadValue = PAD_VALUE;

  // ---- Walk over the map and its pads -----------------------------------------------------------
  reg  active_q;             // a sample is under way
  wire push;                 // the walk's column enters the window
  wire again = !rst_ni || clear_i;
  wire x_on, x_first, x_end, x_hit;
  wire y_on, y_first, y_end, y_hit;
  o2c_fold_axis #(.IN(IN_W), .K(KW), .STRIDE(STRIDE_W), .PAD(PAD_L), .OUT(OUT_W)) u_x (
    .clk_i(clk_i), .again_i(again), .step_i(push),
    .on_o(x_on), .first_o(x_first), .end_o(x_end), .hit_o(x_hit)
  );
  o2c_fold_axis #(.IN(IN_H), .K(KH), .STRIDE(STRIDE_H), .PAD(PAD_T), .OUT(OUT_H)) u_y (
    .clk_i(clk_i), .again_i(again), .step_i(push && x_end),
    .on_o(y_on), .first_o(y_first), .end_o(y_end), .hit_o(y_hit)
  );
  wire on_map = x_on && y_on;
  wire unused_ok = &{1'b0, x_first, y_first};  // where a window is one row or column

  reg  full_q;               // pixel_q is complete
  wire free;                 // the window can move on
  assign push = active_q && free && (!on_map || full_q);
  wire used = push && on_map;
  assign s_ready_o = !full_q || used;
  wire take = s_valid_i && s_ready_o;

  always @(posedge clk_i) begin
    if (again) begin
      active_q <= 1'b0;
      full_q <= 1'b0;
    end else begin
      active_q <= take || (active_q && !(push && x_end && y_end));
      full_q <= (take && s_end_i) || (full_q && !used);
    end
  end

  // ---- A pixel, its column ----------------------------------------------------------------------
  localparam integer TAKES = (IN_C + LANES - 1) / LANES;
  reg  [8*LANES*TAKES-1:0] pixel_q;
  wire [8*COLUMN-1:0] column;     // the topmost pixel lowest
  wire [8*IN_C-1:0]   newest = on_map ? pixel_q[8*IN_C-1:0] : {IN_C{PadValue[7:0]}};
  generate if (TAKES == 1) begin : gen_one_take
    always @(posedge clk_i) if (take) pixel_q <= s_data_i;
  end else begin : gen_takes
    always @(posedge clk_i) if (take) pixel_q <= {s_data_i, pixel_q[8*LANES*TAKES-1 : 8*LANES]};
  end
  if (LANES * TAKES > IN_C) begin : gen_rest
    wire unused_rest = &{1'b0, pixel_q[8*LANES*TAKES-1 : 8*IN_C]};
  end endgenerate
  generate if (KH == 1) begin : gen_row
    assign column = newest;
  end else begin : gen_rows
    localparam integer ABOVE = COLUMN - IN_C;
    wire [8*ABOVE-1:0] stored;
    o2c_delay #(.WIDTH(8*ABOVE), .LENGTH(IN_W)) u_above (
      .clk_i(clk_i), .rst_ni(rst_ni), .push_i(push && x_on),
      .data_i(column[8*COLUMN-1 : 8*IN_C]), .data_o(stored)
    );
    // The first row visited has nothing but pads above it.
    wire outside = !x_on || y_first;
    assign column = {newest, outside ? {ABOVE{PadValue[7:0]}} : stored};
  end endgenerate

  // ---- The window -------------------------------------------------------------------------------
  localparam integer N_W = (NW > 1) ? $clog2(NW) : 1;
  localparam integer NwLast = NW - 1;
  reg  [8*GROUP-1:0] window_q;    // the leftmost column lowest
  reg                emit_q;      // it is a complete group
  reg  [N_W-1:0]     n_q;         // whose next word this is
  wire complete = push && x_hit && y_hit;
  wire sent     = emit_q && m_ready_i;
  wire sent_end = sent && m_end_o;
  assign m_valid_o = emit_q;
  assign m_end_o   = (n_q == NwLast[N_W-1:0]);
  assign free      = !emit_q || sent_end;
  assign busy_o    = active_q || emit_q;

  always @(posedge clk_i) begin
    if (again) begin
      emit_q <= 1'b0;
      n_q <= {N_W{1'b0}};
    end else begin
      emit_q <= complete || (emit_q && !sent_end);
      if (sent) n_q <= m_end_o ? {N_W{1'b0}} : n_q + 1'b1;
    end
  end
  generate if (KW == 1) begin : gen_column
    always @(posedge clk_i) if (push) window_q <= column;
  end else begin : gen_columns
    localparam integer LEFT = GROUP - COLUMN;
    // The first column visited has nothing but pads before it.
    wire [8*LEFT-1:0] left = x_first ? {LEFT{PadValue[7:0]}} : window_q[8*GROUP-1 : 8*COLUMN];
    always @(posedge clk_i) if (push) window_q <= {column, left};
  end endgenerate

  // ---- The group's words ------------------------------------------------------------------------
  wire [8*W*NW-1:0] group;
  genvar h, w;
  generate
    for (h = 0; h < KH; h = h + 1) begin : gen_group_row
      for (w = 0; w < KW; w = w + 1) begin : gen_group_column
        assign group[8*IN_C*(h*KW + w) +: 8*IN_C] = window_q[8*IN_C*(w*KH + h) +: 8*IN_C];
      end
    end
    if (W * NW > GROUP) begin : gen_zeros
      assign group[8*W*NW-1 : 8*GROUP] = {(8 * (W * NW - GROUP)){1'b0}};
    end
    if (NW > 1) begin : gen_select
      assign m_data_o = group[8*W*n_q +: 8*W];
    end else begin : gen_single
      assign m_data_o = group;
    end
  endgenerate

endmodule
`default_nettype wire
