`default_nettype none
// Read-only memory with an output register, initialised from a hex file.
//
//   data_o(t+2) = mem[addr_i(t)]
//
// WIDTH  1 ..        bits of a word
// DEPTH  1 ..        words; reading at or beyond DEPTH gives an undefined word
// INIT   file for $readmemh, words ascending from 0; "" fills the memory with 0
//
// Latency 2 cycles, one read a cycle, no reset, no handshake.
//
//   clk     _/-\_/-\_/-\_/-\_
//   addr_i  < a0>< a1>< a2>
//   data_o          < d0>< d1>< d2>
module o2c_rom #(
  parameter integer WIDTH = 8,
  parameter integer DEPTH = 2,
  parameter         INIT  = "",
  localparam integer AW   = DEPTH > 1 ? $clog2(DEPTH) : 1
) (
  input  wire             clk_i,
  input  wire [AW-1:0]    addr_i,
  output reg  [WIDTH-1:0] data_o
);
  generate if (WIDTH < 1 || DEPTH < 1) begin : gen_bad
`ifdef VERILATOR
    $error("o2c_rom: WIDTH and DEPTH must be at least 1");
`else
    o2c_rom_ERROR_WIDTH_and_DEPTH_must_be_at_least_1 u_bad ();
`endif
  end endgenerate

  (* ram_style = "block", rom_style = "block" *) reg [WIDTH-1:0] mem [0:DEPTH-1];
  reg [WIDTH-1:0] read_q;

  generate if (INIT != "") begin : gen_init
    initial $readmemh(INIT, mem);
  end else begin : gen_zero
    integer i;
    initial for (i = 0; i < DEPTH; i = i + 1) mem[i] = {WIDTH{1'b0}};
  end endgenerate

  always @(posedge clk_i) begin
    read_q <= mem[addr_i];
    data_o <= read_q;
  end
endmodule
`default_nettype wire
