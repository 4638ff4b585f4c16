`default_nettype none
// AXI4-Lite registers of the accelerator: the decode of the map in docs/registers.md.
// Written by a template from the register table in compiler/hw/regmap.rs; change it there.
//
//   read:   the word at the address, SLVERR and 0 where there is none
//   write:  the strobed bits of the writable fields, SLVERR where the address has none
//
// Ports of a field:  NAME_i      what a read-only field shows
//                    NAME_o      the value of a read-write or event field, or a command's pulse
//                    NAME_set_i  a pulse for each event
// Handshake   AXI4-Lite, see o2c_axil. bad_access_o pulses with each access that meets SLVERR.
// Latency     2 cycles from request to response, 1 from the access to a field
// Reset       rst_ni synchronous, active low: no response pending, fields at their reset values
//
//   clk_i             _/~\_/~\_/~\_/~\_/~\_
//   awvalid, wvalid   ~~~~\________________
//   bvalid            ________/~~~~~~~\____
//   a field's NAME_o  --------< new value
module o2c_axil_regs (
  input  wire        clk_i,
  input  wire        rst_ni,
  // AXI4-Lite
  input  wire        s_awvalid_i,
  output wire        s_awready_o,
  input  wire [<{ address_bits - 1 }>:0]  s_awaddr_i,
  input  wire        s_wvalid_i,
  output wire        s_wready_o,
  input  wire [31:0] s_wdata_i,
  input  wire [3:0]  s_wstrb_i,
  output wire        s_bvalid_o,
  input  wire        s_bready_i,
  output wire [1:0]  s_bresp_o,
  input  wire        s_arvalid_i,
  output wire        s_arready_o,
  input  wire [<{ address_bits - 1 }>:0]  s_araddr_i,
  output wire        s_rvalid_o,
  input  wire        s_rready_i,
  output wire [31:0] s_rdata_o,
  output wire [1:0]  s_rresp_o,
  // Fields
<%- for r in registers %>
<%- for f in r.fields %>
<%- if f.read_only() %>
  input  wire <{ f.range }><{ f.port }>_i,
<%- endif %>
<%- if f.clear() %>
  input  wire <{ f.range }><{ f.port }>_set_i,
<%- endif %>
<%- if f.read_write() || f.clear() || f.pulse() %>
  output wire <{ f.range }><{ f.port }>_o,
<%- endif %>
<%- endfor %>
<%- endfor %>
  output wire        bad_access_o
);

  wire        wr_en, rd_en, wr_bad, rd_bad;
  wire [<{ word_bits - 1 }>:0]  wr_word, rd_word;
  wire [31:0] wr_data, wr_mask, rd_data;

  o2c_axil #(.ADDR_W(<{ address_bits }>)) u_axil (
    .clk_i(clk_i), .rst_ni(rst_ni),
    .s_awvalid_i(s_awvalid_i), .s_awready_o(s_awready_o), .s_awaddr_i(s_awaddr_i),
    .s_wvalid_i(s_wvalid_i), .s_wready_o(s_wready_o), .s_wdata_i(s_wdata_i), .s_wstrb_i(s_wstrb_i),
    .s_bvalid_o(s_bvalid_o), .s_bready_i(s_bready_i), .s_bresp_o(s_bresp_o),
    .s_arvalid_i(s_arvalid_i), .s_arready_o(s_arready_o), .s_araddr_i(s_araddr_i),
    .s_rvalid_o(s_rvalid_o), .s_rready_i(s_rready_i), .s_rdata_o(s_rdata_o), .s_rresp_o(s_rresp_o),
    .wr_en_o(wr_en), .wr_word_o(wr_word), .wr_data_o(wr_data), .wr_mask_o(wr_mask),
    .wr_bad_i(wr_bad),
    .rd_en_o(rd_en), .rd_word_o(rd_word), .rd_data_i(rd_data), .rd_bad_i(rd_bad)
  );
  assign bad_access_o = (wr_en && wr_bad) || (rd_en && rd_bad);

  // Reads
<%- for r in registers %>
  wire        rd_<{ r.name }> = (rd_word == <{ r.word }>);
  wire [31:0] value_<{ r.name }> = {<{ r.value }>};
<%- endfor %>
  assign rd_bad = ~(1'b0
<%- for r in registers %>
    | rd_<{ r.name }>
<%- endfor %>);
  assign rd_data = 32'd0
<%- for r in registers %>
    | ({32{rd_<{ r.name }>}} & value_<{ r.name }>)
<%- endfor %>;

  // Writes
<%- for r in registers %>
<%- if r.writable %>
  wire        wr_<{ r.name }> = wr_en && (wr_word == <{ r.word }>);
<%- endif %>
<%- endfor %>
  assign wr_bad = ~(1'b0
<%- for r in registers %>
<%- if r.writable %>
    | (wr_word == <{ r.word }>)
<%- endif %>
<%- endfor %>);
<% for r in registers %>
<%- for f in r.fields %>
<%- if f.read_write() %>
  o2c_field_rw #(.W(<{ f.width }>), .RESET(32'h<{ f.reset[2..] }>)) u_<{ f.port }> (
    .clk_i(clk_i), .rst_ni(rst_ni), .wr_en_i(wr_<{ r.name }>),
    .data_i(wr_data<{ f.slice }>), .mask_i(wr_mask<{ f.slice }>), .q_o(<{ f.port }>_o)
  );
<%- endif %>
<%- if f.clear() %>
  o2c_field_w1c #(.W(<{ f.width }>)) u_<{ f.port }> (
    .clk_i(clk_i), .rst_ni(rst_ni), .wr_en_i(wr_<{ r.name }>),
    .data_i(wr_data<{ f.slice }>), .mask_i(wr_mask<{ f.slice }>), .set_i(<{ f.port }>_set_i),
    .q_o(<{ f.port }>_o)
  );
<%- endif %>
<%- if f.pulse() %>
  o2c_field_w1s #(.W(<{ f.width }>)) u_<{ f.port }> (
    .clk_i(clk_i), .rst_ni(rst_ni), .wr_en_i(wr_<{ r.name }>),
    .data_i(wr_data<{ f.slice }>), .mask_i(wr_mask<{ f.slice }>), .pulse_o(<{ f.port }>_o)
  );
<%- endif %>
<%- endfor %>
<%- endfor %>

  wire unused_ok = &{1'b0, wr_data, wr_mask};
endmodule
`default_nettype wire
