// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * insn.c - a plugin of QEMU's that counts the instructions a guest executes.
 *
 *	qemu-system-aarch64 ... -plugin file=insn.so
 *
 * All vCPUs together, each instruction when it is executed; one that waits for
 * an interrupt executes none.  The guest reads the count with a hint that no
 * Arm architecture has given a meaning to (bench/guest/insns.h): everywhere
 * else it does nothing, here it puts the count into X0.  A reader's own count
 * is exact; another vCPU's may be late by what it has executed within the
 * last moment.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <qemu/qemu-plugin.h>

#include "../guest/insns.h"

QEMU_PLUGIN_EXPORT int qemu_plugin_version = QEMU_PLUGIN_VERSION;

struct vcpu {
	uint64_t executed;
	struct qemu_plugin_register *x0;
};

static struct qemu_plugin_scoreboard *vcpus;
static qemu_plugin_u64 executed;

static void vcpu_begins(qemu_plugin_id_t id, unsigned int index)
{
	struct vcpu *v = qemu_plugin_scoreboard_find(vcpus, index);
	g_autoptr(GArray) registers = qemu_plugin_get_registers();

	(void)id;
	for (guint i = 0; i < registers->len; i++) {
		const qemu_plugin_reg_descriptor *r = &g_array_index(registers, qemu_plugin_reg_descriptor, i);

		if (!strcmp(r->name, "x0"))
			v->x0 = r->handle;
	}
}

static void asked(unsigned int index, void *data)
{
	const struct vcpu *v = qemu_plugin_scoreboard_find(vcpus, index);
	uint64_t count = GUINT64_TO_LE(qemu_plugin_u64_sum(executed));
	g_autoptr(GByteArray) value = g_byte_array_new();

	(void)data;
	g_byte_array_append(value, (const guint8 *)&count, sizeof(count));
	if (!v->x0 || qemu_plugin_write_register(v->x0, value) != (int)sizeof(count))
		qemu_plugin_outs("insn: the count cannot be told\n");
}

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	(void)id;
	for (size_t i = 0; i < qemu_plugin_tb_n_insns(tb); i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
		uint32_t opcode = 0;

		qemu_plugin_register_vcpu_insn_exec_inline_per_vcpu(insn, QEMU_PLUGIN_INLINE_ADD_U64, executed, 1);
		/* Instructions are little-endian, whatever data is. */
		if (qemu_plugin_insn_data(insn, &opcode, sizeof(opcode)) == sizeof(opcode) &&
		    GUINT32_FROM_LE(opcode) == INSNS_OPCODE)
			qemu_plugin_register_vcpu_insn_exec_cb(insn, asked, QEMU_PLUGIN_CB_RW_REGS, NULL);
	}
}

QEMU_PLUGIN_EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc, char **argv)
{
	(void)argv;
	if (argc || !info->system_emulation || strcmp(info->target_name, "aarch64")) {
		fputs("insn: counts what qemu-system-aarch64 executes, and has no options\n", stderr);
		return -1;
	}
	vcpus = qemu_plugin_scoreboard_new(sizeof(struct vcpu));
	executed = qemu_plugin_scoreboard_u64_in_struct(vcpus, struct vcpu, executed);
	qemu_plugin_register_vcpu_init_cb(id, vcpu_begins);
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
	return 0;
}
