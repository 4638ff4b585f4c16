`default_nettype none
// Read sequence of depthwise layers: a window slides down the input, one output column after another.
//
//   for channel block: for group of columns: for pass: (wait cycles) for output column: for slot: read
//
// A slot reads the next row (pair_i: two) of the four input columns from the output column's first one on, and lasts
// hold_last_i + 1 cycles. Columns follow each other without a pause: the last outputs of a column, whose windows reach
// below the map, are due while the next column's first rows arrive. Output n of a column is due emit_first_i + n *
// (emit_step_i + 1) slots after the column's first, and the next column's first one emit_wrap_i + 1 slots after a
// column's last. A pass ends with its last output.
//
// With PASSES = 0 a block has one group and one pass. With PASSES = 1 the kernel may exceed the window: it is cut into
// tiles, (tile_row_last_i + 1) rows of (tile_col_last_i + 1) each, tile_h_i rows and tile_w_i columns apart. Each pass
// moves the window of one tile over the columns of a group, group_last_i + 1 of them or those that are left; the next
// group's first input column is group_step_i further. The first row of tiles begins skip_i slots above the map, each
// further one tile_slots_i later. Where skip_i > 0, base_i is the map's top, and slots above it are left out, so that
// outputs are due as much earlier. emit_first_i is that of the first row of tiles. All passes but a group's last hold a
// slot for hold_more_i + 1 cycles; every pass takes 4 cycles or more.
//
// With HAS_RING = 1 the map may stand in a ring of rows: behind slot ring_slot_i of every column the step is
// ring_step_i.
//
// AW    1 .. 24   scratchpad address bits
// CW    4 .. 16   bits of a signed coordinate
// NW    1 .. 16   bits of a block count
// P     1 ..      array rows, a power of two
// LR    1 ..      rows of the window
// IW    1 ..      bits of an output's number in a group
//
// start_i (one cycle, configuration stable until the layer is done), then:
//   s1_valid_o         a slot's first cycle: a_addr (first row), pair address (second row) are read
//   s1_cols_o          which of the four columns are on the map and in the kernel
//   s1_emit_o          with s1_valid_o: an output is due; s1_rows_o tells which rows of the window are on the map
//                      and in the kernel; s1_index_o its number in the group, s1_add_o that it adds to the
//                      passes before, s1_more_o that passes follow
//   weight_row_o       bit p: the weight memory is addressed for array row p. Bit 0 comes 3 cycles after start_i or
//                      a pass's end, the others follow; the planner's wait makes them end before the pass's first
//                      output
//   weight_again_o     one cycle before bit 0, in a group's first pass: the weights are the block's from the first on
//   weight_block_o     likewise in a block's first pass
// The first slot's s1_valid_o comes wait_i + 2 cycles after start_i or a pass's end.
module o2c_slide_gen #(
  parameter integer AW = 12,
  parameter integer CW = 8,
  parameter integer NW = 8,
  parameter integer P  = 4,
  parameter integer LR = 4,
  parameter integer HAS_RING = 0,
  parameter integer PASSES = 0,
  parameter integer IW = 1
) (
  input  wire                 clk_i,
  input  wire                 rst_ni,
  input  wire                 start_i,
  input  wire [CW-1:0]        slot_last_i,    // slots of a column - 1
  input  wire [CW-1:0]        out_w_last_i,
  input  wire [CW-1:0]        out_h_last_i,
  input  wire [NW-1:0]        block_last_i,
  input  wire [15:0]          wait_i,
  input  wire [7:0]           hold_last_i,
  input  wire [CW-1:0]        in_h_i,
  input  wire [CW-1:0]        in_w_i,
  input  wire signed [CW-1:0] first_h_i,      // row of the window's first one for output row 0
  input  wire signed [CW-1:0] first_w_i,
  input  wire [CW-1:0]        stride_h_i,
  input  wire [CW-1:0]        stride_w_i,
  input  wire [AW-1:0]        base_i,         // of row 0, output column 0's first column
  input  wire [AW-1:0]        slot_step_i,
  input  wire [CW-1:0]        ring_slot_i,
  input  wire [AW-1:0]        ring_step_i,
  input  wire [AW-1:0]        pair_step_i,    // from a slot's first row to its second
  input  wire [AW-1:0]        column_step_i,  // from an output column's first input column to the next one's
  input  wire [AW-1:0]        block_step_i,
  input  wire [7:0]           emit_first_i,
  input  wire [7:0]           emit_step_i,    // minus 1
  input  wire [7:0]           emit_wrap_i,    // minus 1
  input  wire [LR-1:0]        rows_i,         // rows of the window that belong to the kernel
  input  wire [3:0]           cols_i,
  // Of passes
  input  wire [7:0]           tile_row_last_i,
  input  wire [7:0]           tile_col_last_i,
  input  wire [CW-1:0]        tile_h_i,
  input  wire [CW-1:0]        tile_w_i,
  input  wire [CW-1:0]        tile_slots_i,   // slots from a row of tiles to the next
  input  wire [AW-1:0]        tile_step_i,    // addresses, likewise
  input  wire [AW-1:0]        tile_first_i,   // from the address of the map's top to that of the first tile's first row
  input  wire [CW-1:0]        skip_i,
  input  wire [CW-1:0]        group_last_i,
  input  wire [CW-1:0]        group_step_i,
  input  wire [7:0]           hold_more_i,
  output reg  [AW-1:0]        s1_addr_o,
  output reg  [AW-1:0]        s1_pair_addr_o,
  output reg                  s1_valid_o,
  output reg  [3:0]           s1_cols_o,
  output reg                  s1_emit_o,
  output reg  [LR-1:0]        s1_rows_o,
  output reg  [IW-1:0]        s1_index_o,
  output reg                  s1_add_o,
  output reg                  s1_more_o,
  output wire [P-1:0]         weight_row_o,
  output wire                 weight_again_o,
  output wire                 weight_block_o
);
  localparam [1:0] IDLE = 2'd0, WAIT = 2'd1, RUN = 2'd2;
  reg [1:0] state;

  // Reads.
  reg [AW-1:0]        block_addr, column_addr, addr;
  reg [CW-1:0]        slot;
  reg signed [CW-1:0] column_w;    // the output column's first input column
  reg [7:0]           hold;
  reg [NW-1:0]        block;
  reg [15:0]          waited;

  // Outputs.
  reg [7:0]           left;       // slots until the next one is due
  reg [CW-1:0]        out_h, out_w;
  reg signed [CW-1:0] row;         // of the map, of the window's first row, when the next one is due

  wire run       = state == RUN;
  wire slot_end  = run & (hold == hold_here);
  wire due       = left == 8'd0;
  wire h_last    = out_h == out_h_last_i;
  wire w_last    = out_w == out_w_last_i;
  wire pass_end  = due & h_last & (w_last | group_end);
  wire block_end = pass_last & w_last;

  wire next_block = slot_end & pass_end & block_end & (block != block_last_i);
  wire next_pass  = slot_end & pass_end & !block_end;
  wire begin_block = start_i | next_block;
  wire begin_pass  = begin_block | next_pass;
  wire [AW-1:0] block_begin = start_i ? base_i : block_addr + block_step_i;
  wire [AW-1:0] begin_addr = next_pass ? pass_addr : block_begin;

  // The pass: what it is, and what the next one will be.
  wire                 pass_last, group_end, group_next, add, more;
  wire [7:0]           hold_here, pass_first;
  wire signed [CW-1:0] row_first, pass_h, pass_w;   // of this pass, of the next one
  wire [CW-1:0]        pass_out, ring_here;
  wire [AW-1:0]        pass_addr;
  wire [IW-1:0]        index;
  generate if (PASSES != 0) begin : gen_passes
    reg [7:0]           tile_row, tile_col, next_row, next_col, first_q;
    reg [CW-1:0]        skip, next_skip, shift, group_out, in_group, next_shift, next_out, ring, next_ring;
    reg signed [CW-1:0] tile_h, group_w, next_h, next_w, w_q;
    reg [AW-1:0]        offset, group_addr, next_offset, next_addr, addr_q;
    reg [IW-1:0]        count;
    wire col_last = tile_col == tile_col_last_i;
    wire row_last = tile_row == tile_row_last_i;
    wire above = skip >= tile_slots_i;
    wire [CW-1:0] moved = above ? {CW{1'b0}} : tile_slots_i - skip;
    wire around = HAS_RING != 0 && ring < moved;
    wire [AW-1:0] turn = around ? ring_step_i - slot_step_i : {AW{1'b0}};
    wire [CW+7:0] later = {8'd0, skip_i - next_skip};
    wire [CW+23:0] group_words = {24'd0, group_step_i};
    wire [CW+23:0] shift_words = {24'd0, next_shift};
    wire unused_high = &{1'b0, later[CW+7:8], group_words[CW+23:AW], shift_words[CW+23:AW]};
    always @(posedge clk_i) begin
      // Of the next pass, three cycles after this one's begin.
      next_col    <= col_last ? 8'd0 : tile_col + 8'd1;
      next_shift  <= col_last ? {CW{1'b0}} : shift + tile_w_i;
      next_row    <= tile_row;
      next_h      <= tile_h;
      next_skip   <= skip;
      next_offset <= offset;
      next_ring   <= ring;
      next_addr   <= group_addr;
      next_w      <= group_w;
      next_out    <= group_out;
      if (pass_last) begin
        next_row    <= 8'd0;
        next_h      <= first_h_i;
        next_skip   <= skip_i;
        next_offset <= tile_first_i;
        next_ring   <= ring_slot_i;
        next_addr   <= group_addr + group_words[AW-1:0];
        next_w      <= group_w + $signed(group_step_i);
        next_out    <= group_out + group_last_i + 1'b1;
      end else if (col_last) begin
        next_row    <= tile_row + 8'd1;
        next_h      <= tile_h + $signed(tile_h_i);
        next_skip   <= above ? skip - tile_slots_i : {CW{1'b0}};
        next_offset <= offset + tile_step_i + turn;
        next_ring   <= ring - moved;  // around the ring no slot is that large
      end
      addr_q  <= next_addr + shift_words[AW-1:0] + (next_skip == {CW{1'b0}} ? next_offset : {AW{1'b0}});
      w_q     <= next_w + $signed(next_shift);
      first_q <= emit_first_i + later[7:0];

      if (begin_pass) begin
        tile_col   <= next_pass ? next_col : 8'd0;
        tile_row   <= next_pass ? next_row : 8'd0;
        shift      <= next_pass ? next_shift : {CW{1'b0}};
        tile_h     <= next_pass ? next_h : first_h_i;
        skip       <= next_pass ? next_skip : skip_i;
        offset     <= next_pass ? next_offset : tile_first_i;
        ring       <= next_pass ? next_ring : ring_slot_i;
        group_addr <= next_pass ? next_addr : block_begin;
        group_w    <= next_pass ? next_w : first_w_i;
        group_out  <= next_pass ? next_out : {CW{1'b0}};
        in_group   <= {CW{1'b0}};
        count      <= {IW{1'b0}};
      end else if (slot_end & due) begin
        count <= count + 1'b1;
        if (h_last) in_group <= in_group + 1'b1;
      end
    end
    assign pass_last  = row_last & col_last;
    assign group_end  = in_group == group_last_i;
    assign group_next = pass_last;
    assign add        = tile_row != 8'd0 || tile_col != 8'd0;
    assign more       = !pass_last;
    assign hold_here  = pass_last ? hold_last_i : hold_more_i;
    assign row_first  = tile_h;
    assign pass_h     = next_h;
    assign pass_w     = w_q;
    assign pass_out   = next_out;
    assign pass_first = first_q;
    assign ring_here  = ring;
    assign pass_addr  = addr_q;
    assign index      = count;
  end else begin : gen_one_pass
    assign pass_last  = 1'b1;
    assign group_end  = 1'b0;
    assign group_next = 1'b0;
    assign add        = 1'b0;
    assign more       = 1'b0;
    assign hold_here  = hold_last_i;
    assign row_first  = first_h_i;
    assign pass_h     = first_h_i;
    assign pass_w     = first_w_i;
    assign pass_out   = {CW{1'b0}};
    assign pass_first = emit_first_i;
    assign ring_here  = ring_slot_i;
    assign pass_addr  = base_i;
    assign index      = {IW{1'b0}};
    wire unused_passes = &{1'b0, tile_row_last_i, tile_col_last_i, tile_h_i, tile_w_i, tile_slots_i, tile_step_i,
                           tile_first_i, skip_i, group_last_i, group_step_i, hold_more_i};
  end endgenerate

  wire [3:0]    cols_here;
  wire [LR-1:0] rows_here;
  genvar g;
  generate
    for (g = 0; g < 4; g = g + 1) begin : gen_cols
      localparam integer I = g;
      wire signed [CW:0] w = {column_w[CW-1], column_w} + $signed(I[CW:0]);
      assign cols_here[g] = cols_i[g] & !w[CW] & (w[CW-1:0] < in_w_i);
    end
    for (g = 0; g < LR; g = g + 1) begin : gen_rows
      localparam integer I = g;
      wire signed [CW:0] h = {row[CW-1], row} + $signed(I[CW:0]);
      assign rows_here[g] = rows_i[g] & !h[CW] & (h[CW-1:0] < in_h_i);
    end
  endgenerate

  always @(posedge clk_i) begin
    if (begin_pass) state <= wait_i == 16'd0 ? RUN : WAIT;
    else if (slot_end & pass_end) state <= IDLE;
    else if (state == WAIT && waited == wait_i) state <= RUN;
    waited <= begin_pass ? 16'd1 : waited + 16'd1;

    if (begin_block) begin
      block      <= start_i ? {NW{1'b0}} : block + 1'b1;
      block_addr <= block_begin;
    end

    if (begin_pass) begin
      addr        <= begin_addr;
      column_addr <= begin_addr + column_step_i;
      column_w    <= next_pass ? pass_w : first_w_i;
      slot        <= {CW{1'b0}};
      hold        <= 8'd0;
      left       <= next_pass ? pass_first : emit_first_i;
      out_h       <= {CW{1'b0}};
      out_w       <= next_pass ? pass_out : {CW{1'b0}};
      row         <= next_pass ? pass_h : first_h_i;
    end else if (run) begin
      hold <= slot_end ? 8'd0 : hold + 8'd1;
      if (slot_end) begin
        slot <= slot + 1'b1;
        addr <= addr + (HAS_RING != 0 && slot == ring_here ? ring_step_i : slot_step_i);
        if (slot == slot_last_i) begin
          slot        <= {CW{1'b0}};
          addr        <= column_addr;
          column_addr <= column_addr + column_step_i;
          column_w    <= column_w + $signed(stride_w_i);
        end
        left <= due ? (h_last ? emit_wrap_i : emit_step_i) : left - 8'd1;
        if (due) begin
          out_h <= h_last ? {CW{1'b0}} : out_h + 1'b1;
          row   <= h_last ? row_first : row + $signed(stride_h_i);
          if (h_last) out_w <= out_w + 1'b1;
        end
      end
    end
    if (!rst_ni) state <= IDLE;

    // Stage 1.
    s1_valid_o     <= run & (hold == 8'd0) & rst_ni;
    s1_emit_o      <= run & (hold == 8'd0) & due & rst_ni;
    s1_addr_o      <= addr;
    s1_pair_addr_o <= addr + pair_step_i;
    s1_cols_o      <= cols_here;
    s1_rows_o      <= rows_here;
    s1_index_o     <= index;
    s1_add_o       <= add;
    s1_more_o      <= more;
  end

  // Weights.
  reg [P+1:0] weight_q;
  always @(posedge clk_i) weight_q <= {weight_q[P:0], begin_pass & rst_ni};
  assign weight_row_o = weight_q[P+1:2];
  reg [1:0] again_q, block_q;
  always @(posedge clk_i) begin
    again_q <= {again_q[0], next_pass & group_next & rst_ni};
    block_q <= {block_q[0], next_block & rst_ni};
  end
  assign weight_again_o = again_q[1];
  assign weight_block_o = block_q[1];
endmodule
`default_nettype wire
