/* Registers of the accelerator, byte offsets from its AXI4-Lite base. See docs/registers.md.
 * Written from the register table in compiler/hw/regmap.rs; change it there. */
#ifndef ONNX2CHIP_REGS_H
#define ONNX2CHIP_REGS_H

/* Tells that this is an onnx2chip accelerator. */
#define O2C_ID 0x00u
#define O2C_ID_SHIFT 0u
#define O2C_ID_MASK 0xFFFFFFFFu
#define O2C_ID_VALUE 0x6F326331u

/* Version of this register map. */
#define O2C_VERSION 0x04u
#define O2C_VERSION_MINOR_SHIFT 0u
#define O2C_VERSION_MINOR_MASK 0x0000FFFFu
#define O2C_VERSION_MINOR_VALUE 0x0u
#define O2C_VERSION_MAJOR_SHIFT 16u
#define O2C_VERSION_MAJOR_MASK 0xFFFF0000u
#define O2C_VERSION_MAJOR_VALUE 0x1u

/* Shape of the compute array. */
#define O2C_CAPS 0x08u
#define O2C_CAPS_LOG2_P_SHIFT 0u
#define O2C_CAPS_LOG2_P_MASK 0x0000000Fu
#define O2C_CAPS_LOG2_C_SHIFT 4u
#define O2C_CAPS_LOG2_C_MASK 0x000000F0u
#define O2C_CAPS_LOG2_K_SHIFT 8u
#define O2C_CAPS_LOG2_K_MASK 0x00000F00u

/* What to do. */
#define O2C_CTRL 0x0Cu
#define O2C_CTRL_START_SHIFT 0u
#define O2C_CTRL_START_MASK 0x00000001u
#define O2C_CTRL_AUTO_SHIFT 1u
#define O2C_CTRL_AUTO_MASK 0x00000002u
#define O2C_CTRL_SOFT_RESET_SHIFT 2u
#define O2C_CTRL_SOFT_RESET_MASK 0x00000004u

/* What is going on. */
#define O2C_STATUS 0x10u
#define O2C_STATUS_BUSY_SHIFT 0u
#define O2C_STATUS_BUSY_MASK 0x00000001u
#define O2C_STATUS_INPUT_FULL_SHIFT 1u
#define O2C_STATUS_INPUT_FULL_MASK 0x00000002u
#define O2C_STATUS_OUTPUT_FULL_SHIFT 2u
#define O2C_STATUS_OUTPUT_FULL_MASK 0x00000004u
#define O2C_STATUS_START_PENDING_SHIFT 3u
#define O2C_STATUS_START_PENDING_MASK 0x00000008u
#define O2C_STATUS_RESETTING_SHIFT 4u
#define O2C_STATUS_RESETTING_MASK 0x00000010u

/* Which events raise the interrupt. */
#define O2C_IRQ_ENABLE 0x14u
#define O2C_IRQ_ENABLE_DONE_SHIFT 0u
#define O2C_IRQ_ENABLE_DONE_MASK 0x00000001u
#define O2C_IRQ_ENABLE_ERROR_SHIFT 1u
#define O2C_IRQ_ENABLE_ERROR_MASK 0x00000002u

/* Events. The interrupt is a level: high while an enabled event is set. */
#define O2C_IRQ_STATUS 0x18u
#define O2C_IRQ_STATUS_DONE_SHIFT 0u
#define O2C_IRQ_STATUS_DONE_MASK 0x00000001u
#define O2C_IRQ_STATUS_ERROR_SHIFT 1u
#define O2C_IRQ_STATUS_ERROR_MASK 0x00000002u

/* What went wrong. */
#define O2C_ERROR 0x1Cu
#define O2C_ERROR_SHORT_PACKET_SHIFT 0u
#define O2C_ERROR_SHORT_PACKET_MASK 0x00000001u
#define O2C_ERROR_LONG_PACKET_SHIFT 1u
#define O2C_ERROR_LONG_PACKET_MASK 0x00000002u
#define O2C_ERROR_BAD_ACCESS_SHIFT 2u
#define O2C_ERROR_BAD_ACCESS_MASK 0x00000004u

/* Of the last sample processed. */
#define O2C_CYCLES 0x20u
#define O2C_CYCLES_SHIFT 0u
#define O2C_CYCLES_MASK 0xFFFFFFFFu

/* Size of the network. */
#define O2C_LAYERS 0x24u
#define O2C_LAYERS_SHIFT 0u
#define O2C_LAYERS_MASK 0x0000FFFFu

/* How many. */
#define O2C_SAMPLES 0x28u
#define O2C_SAMPLES_SHIFT 0u
#define O2C_SAMPLES_MASK 0xFFFFFFFFu

/* Read high, low, high until both high words agree. */
#define O2C_TOTAL_CYCLES_LO 0x30u
#define O2C_TOTAL_CYCLES_LO_SHIFT 0u
#define O2C_TOTAL_CYCLES_LO_MASK 0xFFFFFFFFu

/* See `total_cycles_lo`. */
#define O2C_TOTAL_CYCLES_HI 0x34u
#define O2C_TOTAL_CYCLES_HI_SHIFT 0u
#define O2C_TOTAL_CYCLES_HI_MASK 0xFFFFFFFFu

#endif
