`default_nettype none
// True dual-port memory: port A reads, port B reads or writes. Infers block RAM on ECP5 and Xilinx.
//
//   a_data_o(t+2) = mem[a_addr_i(t)]
//   b_data_o(t+2) = mem[b_addr_i(t)]    if not b_we_i(t)
//   mem[b_addr_i(t)] <= b_data_i(t)     if b_we_i(t); visible to reads from t+1
//
// WIDTH  1 ..  bits of a word
// DEPTH  1 ..  words
//
// The user guarantees that port A does not read the address that port B writes in the same cycle: the word
// read would be undefined in hardware. Latency 2, one access a cycle on each port, no reset.
module o2c_ram #(
  parameter integer WIDTH = 8,
  parameter integer DEPTH = 2,
  localparam integer AW   = DEPTH > 1 ? $clog2(DEPTH) : 1
) (
  input  wire             clk_i,
  input  wire [AW-1:0]    a_addr_i,
  output reg  [WIDTH-1:0] a_data_o,
  input  wire             b_we_i,
  input  wire [AW-1:0]    b_addr_i,
  input  wire [WIDTH-1:0] b_data_i,
  output reg  [WIDTH-1:0] b_data_o
);
  generate if (WIDTH < 1 || DEPTH < 1) begin : gen_bad
`ifdef VERILATOR
    $error("o2c_ram: WIDTH and DEPTH must be at least 1");
`else
    o2c_ram_ERROR_WIDTH_and_DEPTH_must_be_at_least_1 u_bad ();
`endif
  end endgenerate

  // Deep memories are made of columns as narrow as lets one block hold the whole depth, so that no multiplexer follows
  // the blocks' slow outputs. Simulators take one column: it is faster, and columns share nothing but addresses.
`ifdef SYNTHESIS
  localparam integer COLUMN = DEPTH <= 1024 ? 18 : DEPTH <= 2048 ? 9 : DEPTH <= 4096 ? 4 : DEPTH <= 8192 ? 2 : 1;
`else
  localparam integer COLUMN = WIDTH;
`endif
  genvar c;
  generate for (c = 0; c < WIDTH; c = c + COLUMN) begin : gen_column
    localparam integer CW = c + COLUMN <= WIDTH ? COLUMN : WIDTH - c;
    (* ram_style = "block", no_rw_check *) reg [CW-1:0] mem [0:DEPTH-1];
    reg [CW-1:0] a_q, b_q;

`ifndef SYNTHESIS
    // Four-state simulators: lanes beyond a tensor's channels meet zero weights, but X times 0 is X.
    integer i;
    initial for (i = 0; i < DEPTH; i = i + 1) mem[i] = {CW{1'b0}};
`endif

    always @(posedge clk_i) begin
      a_q               <= mem[a_addr_i];
      a_data_o[c +: CW] <= a_q;
    end

    always @(posedge clk_i) begin
      if (b_we_i) mem[b_addr_i] <= b_data_i[c +: CW];
      else b_q <= mem[b_addr_i];
      b_data_o[c +: CW] <= b_q;
    end
  end endgenerate
endmodule
`default_nettype wire
