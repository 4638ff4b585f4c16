`default_nettype none
// Read sequence of depthwise layers: a window slides down the input, one output column after another.
//
//   for channel block: (wait cycles) for output column: for slot: read
//
// A slot reads the next row (pair_i: two) of the four input columns from the output column's first one on, and lasts
// hold_last_i + 1 cycles. Columns follow each other without a pause: the last outputs of a column, whose windows reach
// below the map, are due while the next column's first rows arrive. Output n of a column is due emit_first_i + n *
// (emit_step_i + 1) slots after the column's first, and the next column's first one emit_wrap_i + 1 slots after a
// column's last. A block ends with its last output.
// With HAS_RING = 1 the map may stand in a ring of rows: behind slot ring_slot_i of every column the step is
// ring_step_i.
//
// AW    1 .. 24   scratchpad address bits
// CW    4 .. 16   bits of a signed coordinate
// NW    1 .. 16   bits of a block count
// P     1 ..      array rows, a power of two
// LR    1 ..      rows of the window
//
// start_i (one cycle, configuration stable until the layer is done), then:
//   s1_valid_o         a slot's first cycle: a_addr (first row), pair address (second row) are read
//   s1_cols_o          which of the four columns are on the map and in the kernel
//   s1_emit_o          with s1_valid_o: an output is due; s1_rows_o tells which rows of the window are on the map
//                      and in the kernel
//   weight_row_o       bit p: the weight memory is addressed for array row p. Bit 0 comes 3 cycles after start_i or
//                      a block's end, the others follow; the planner's wait makes them end before the block's first
//                      output
// The first slot's s1_valid_o comes wait_i + 2 cycles after start_i or a block's end.
module o2c_slide_gen #(
  parameter integer AW = 12,
  parameter integer CW = 8,
  parameter integer NW = 8,
  parameter integer P  = 4,
  parameter integer LR = 4,
  parameter integer HAS_RING = 0
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
  output reg  [AW-1:0]        s1_addr_o,
  output reg  [AW-1:0]        s1_pair_addr_o,
  output reg                  s1_valid_o,
  output reg  [3:0]           s1_cols_o,
  output reg                  s1_emit_o,
  output reg  [LR-1:0]        s1_rows_o,
  output wire [P-1:0]         weight_row_o
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
  wire slot_end  = run & (hold == hold_last_i);
  wire due       = left == 8'd0;
  wire h_last    = out_h == out_h_last_i;
  wire block_end = due & h_last & (out_w == out_w_last_i);

  wire next_block = slot_end & block_end & (block != block_last_i);
  wire begin_block = start_i | next_block;
  wire [AW-1:0] begin_addr = start_i ? base_i : block_addr + block_step_i;

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
    if (begin_block) state <= wait_i == 16'd0 ? RUN : WAIT;
    else if (slot_end & block_end) state <= IDLE;
    else if (state == WAIT && waited == wait_i) state <= RUN;
    waited <= begin_block ? 16'd1 : waited + 16'd1;

    if (begin_block) begin
      block      <= start_i ? {NW{1'b0}} : block + 1'b1;
      block_addr <= begin_addr;
    end

    if (begin_block) begin
      addr        <= begin_addr;
      column_addr <= begin_addr + column_step_i;
      column_w    <= first_w_i;
      slot        <= {CW{1'b0}};
      hold        <= 8'd0;
      left       <= emit_first_i;
      out_h       <= {CW{1'b0}};
      out_w       <= {CW{1'b0}};
      row         <= first_h_i;
    end else if (run) begin
      hold <= slot_end ? 8'd0 : hold + 8'd1;
      if (slot_end) begin
        slot <= slot + 1'b1;
        addr <= addr + (HAS_RING != 0 && slot == ring_slot_i ? ring_step_i : slot_step_i);
        if (slot == slot_last_i) begin
          slot        <= {CW{1'b0}};
          addr        <= column_addr;
          column_addr <= column_addr + column_step_i;
          column_w    <= column_w + $signed(stride_w_i);
        end
        left <= due ? (h_last ? emit_wrap_i : emit_step_i) : left - 8'd1;
        if (due) begin
          out_h <= h_last ? {CW{1'b0}} : out_h + 1'b1;
          row   <= h_last ? first_h_i : row + $signed(stride_h_i);
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
  end

  // Weights.
  reg [P+1:0] weight_q;
  always @(posedge clk_i) weight_q <= {weight_q[P:0], begin_block & rst_ni};
  assign weight_row_o = weight_q[P+1:2];
endmodule
`default_nettype wire
