`default_nettype none
// A word comes out when LENGTH more have gone in: the line buffer of a sliding window.
//
//   data_o in the cycle of push n  =  data_i of push n - LENGTH
//
// Parameters (checked at elaboration)
//   WIDTH   1 ..   bits of a word
//   LENGTH  1 ..   pushes from in to out
// Timing   push_i in any cycle, every cycle too; data_o comes from a register.
// Memory   up to 16 words are a chain of registers, or of a device's shift registers: block memory
//          is wasted on them. Above, o2c_ram holds LENGTH - 2 words, and the next three to come out are
//          read ahead, so that its latency is not seen.
// Reset    rst_ni synchronous, active low: reads under way are forgotten. What comes out with the
//          first LENGTH pushes after it is not defined.
//
//   clk_i   _/~\_/~\_/~\_/~\_/~\_      LENGTH = 2
//   push_i  _/~~~~~~~\___/~~~~~~~\
//   data_i   < a >< b >   < c >< d >
//   data_o                < a >< b >
module o2c_delay #(
  parameter integer WIDTH  = 8,
  parameter integer LENGTH = 1
) (
  input  wire             clk_i,
  input  wire             rst_ni,
  input  wire             push_i,
  input  wire [WIDTH-1:0] data_i,
  output wire [WIDTH-1:0] data_o
);

  generate if (WIDTH < 1 || LENGTH < 1) begin : gen_bad_parameter
`ifdef VERILATOR
    $error("o2c_delay: WIDTH and LENGTH must be at least 1");
`else
    o2c_delay_ERROR_WIDTH_and_LENGTH_must_be_at_least_1 u_bad ();
`endif
  end else if (LENGTH <= 16) begin : gen_chain
    reg [WIDTH*LENGTH-1:0] chain_q;  // oldest lowest
    assign data_o = chain_q[WIDTH-1:0];
    if (LENGTH == 1) begin : gen_one
      always @(posedge clk_i) if (push_i) chain_q <= data_i;
    end else begin : gen_more
      always @(posedge clk_i) if (push_i) chain_q <= {data_i, chain_q[WIDTH*LENGTH-1 : WIDTH]};
    end
    wire unused_ok = &{1'b0, rst_ni};
  end else begin : gen_ram
    // Push n writes word n and asks for word n + 3 - LENGTH, which is the next one in the ring.
    localparam integer DEPTH = LENGTH - 2;
    localparam integer A_W = $clog2(DEPTH);
    localparam integer Last = DEPTH - 1;
    reg  [A_W-1:0]   write_q, read_q;
    reg              asked_q, coming_q;            // a read issued one, two cycles ago
    reg  [WIDTH-1:0] first_q, second_q, third_q;   // 3 - asked - coming words are there
    wire [WIDTH-1:0] came, unused_b;

    o2c_ram #(.WIDTH(WIDTH), .DEPTH(DEPTH)) u_ram (
      .clk_i(clk_i), .a_addr_i(read_q), .a_data_o(came),
      .b_we_i(push_i), .b_addr_i(write_q), .b_data_i(data_i), .b_data_o(unused_b)
    );
    assign data_o = first_q;

    always @(posedge clk_i) begin
      if (!rst_ni) begin
        asked_q <= 1'b0;
        coming_q <= 1'b0;
        write_q <= {A_W{1'b0}};
        read_q <= {{(A_W-1){1'b0}}, 1'b1};
      end else begin
        asked_q <= push_i;
        coming_q <= asked_q;
        if (push_i) begin
          write_q <= read_q;
          read_q <= (read_q == Last[A_W-1:0]) ? {A_W{1'b0}} : read_q + 1'b1;
        end
      end
      // What came stands behind the words that are there, less the one that leaves.
      if (push_i) begin
        first_q <= (coming_q && asked_q) ? came : second_q;
        second_q <= (coming_q && !asked_q) ? came : third_q;
      end else if (coming_q) begin
        if (asked_q) second_q <= came;
        else third_q <= came;
      end
    end
    wire unused_ok = &{1'b0, unused_b};
  end endgenerate

endmodule
`default_nettype wire
