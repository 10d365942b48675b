/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * wire.h - messages between the simulated kernel (macsim/kernel) and the two
 * user-side libraries: macsim/iokit (in client processes) and
 * macsim/driverkit (in the dext process).
 *
 * Transport: AF_UNIX SOCK_SEQPACKET at the path in $MACSIM_SOCKET, one packet
 * per message: struct mw_msg header, then `len` payload bytes, then up to two
 * file descriptors as SCM_RIGHTS.  Each thread that makes calls opens its own
 * socket, so that calls run concurrently, as Mach messages do; the kernel
 * serves each socket with one thread.
 *
 * `ret` carries the IOReturn of a reply.  Strings are NUL-terminated.
 * Structures in payloads are packed arrays of uint64_t unless said otherwise.
 */
#ifndef MACSIM_WIRE_H
#define MACSIM_WIRE_H

#include <stdint.h>
#include <stddef.h>

#define MW_SOCKET_ENV	"MACSIM_SOCKET"
#define MW_MAX_PAYLOAD	65536
#define MW_ARGS		20

struct mw_msg {
	uint32_t op;
	uint32_t seq;		/* replies and upcall answers carry the request's */
	int32_t ret;
	uint32_t len;		/* payload bytes behind the header */
	uint64_t a[MW_ARGS];
};

/* macsim/wire/wire.c: shared by all three.  fds: in/out arrays of two, -1 = none.  0 or -errno; -EPIPE at end of file. */
int mw_send(int sock, const struct mw_msg *m, const void *payload, const int fds[2]);
int mw_recv(int sock, struct mw_msg *m, void *payload /* MW_MAX_PAYLOAD */, int fds[2]);
/* One request and its reply on a caller's private socket.  *m becomes the reply; out may be NULL. */
int mw_call(int sock, struct mw_msg *m, const void *payload, const int send_fds[2], void *out, int recv_fds[2]);
int mw_connect(void);	/* to $MACSIM_SOCKET; -errno */

enum mw_role { MW_ROLE_CLIENT = 1, MW_ROLE_CLIENT_EVENTS, MW_ROLE_DEXT, MW_ROLE_DEXT_UPCALLS, MW_ROLE_CONTROL };

enum mw_op {
	/* first message on every socket: a0 role, a1 task token (0 = new task; the reply's a0 is the token). A task dies when its
	 * EVENTS (client) or UPCALLS (dext) socket closes. A dext gets its token in $MACSIM_TASK. */
	MW_HELLO = 1,

	/* ---- client -> kernel, each answered ---- */
	MW_MATCH = 0x100,	/* a0 kind (0 IOServiceNameMatching, 1 IOServiceMatching); payload name -> payload u64 entry ids */
	MW_ENTRY_NAME,		/* a0 entry -> payload name */
	MW_ENTRY_PROPERTY,	/* a0 entry, payload key -> a0 MW_T_*, a1 number/bool, a2 OSNumber width, payload string/data; ret kIOReturnNotFound */
	MW_SERVICE_OPEN,	/* a0 entry, a1 type -> a0 connect */
	MW_SERVICE_CLOSE,	/* a0 connect */
	MW_CALL,		/* a0 connect a1 selector a2 scalar-in count a3 struct-in bytes a4 scalar-out room a5 struct-out room
				 * a6 MW_CALL_* a7 async reference count a8 VA of out-of-line input a9 VA of out-of-line output;
				 * payload u64 scalars[a2], then u64 reference[8] if ASYNC (slot 0 holds the wake port), then the inline structure
				 * -> a0 scalar-out count a1 struct-out bytes; payload u64 scalars[a0], then the inline structure */
	MW_MAP,			/* a0 connect a1 type a2 IOMap options -> fd; a0 cookie a1 size a2 offset in fd a3 1 = read-only */
	MW_UNMAP,		/* a0 connect a1 type a2 cookie */
	MW_MEMORY,		/* fd: a memfd this task maps MAP_SHARED; the kernel finds it again by inode in /proc/PID/maps */
	MW_NOTIFY_ADD,		/* a0 MW_N_*, a1 entry (interest), a2 kind as MW_MATCH and payload service name (match) -> a0 notification id, payload u64 entries now matching */
	MW_NOTIFY_REMOVE,	/* a0 notification id */
	MW_CONNECT_SERVICE,	/* a0 connect -> a0 entry */
	MW_ENTRY_CLASS,		/* a0 entry -> payload name of its kernel class */
	MW_ENTRY_CHILDREN,	/* a0 entry -> payload u64 entries attached to it in the service plane */
	MW_SYSCTL,		/* payload name -> payload value; ret kIOReturnNotFound */

	/* ---- kernel -> client on the EVENTS socket, not answered ---- */
	MW_EV_ASYNC = 0x180,	/* a0..a7 reference as it was sent, a8 status a9 count; payload u64 args[a9] */
	MW_EV_INTEREST,		/* a0 notification id a1 message type a2 entry */
	MW_EV_MATCH,		/* a0 notification id; payload u64 entries that newly match (or terminated) */

	/* ---- kernel -> dext on the UPCALLS socket; answered (same seq) unless said one-way ---- */
	MW_UP_START = 0x200,	/* a0 object id for the new service, a1 provider id, a2 1 = provider is a PCI nub; payload IOUserClass -> ret of Start */
	MW_UP_STOP,		/* one-way: a0 object, a1 provider id. Done when MW_DK_DID_STOP arrives */
	MW_UP_NEW_USER_CLIENT,	/* a0 service a1 type -> a0 user client object (made with MW_DK_CREATE) */
	MW_UP_CALL,		/* a0 user client a1 selector a2 scalar-in count a3 inline struct-in bytes a4 scalar-out room
				 * a5 struct-out maximum (UINT32_MAX = variable) a6 action id (0 = sync) a7 out-of-line input descriptor (0 none)
				 * a8 out-of-line output descriptor (both lent for the call); payload u64 scalars, then inline structure -> as MW_CALL's reply */
	MW_UP_COPY_MEMORY,	/* a0 user client a1 type -> a0 descriptor id (one reference given away) a1 options (1 = read-only) */
	MW_UP_INTERRUPT,	/* a0 source a1 count a2 time (ns). Answered when the library can take the next one of this source: until
				 * then interrupts only count, and a level interrupt stays masked (US 1448, waitInterruptTrap) */
	MW_UP_CANCELLED,	/* one-way: a0 source: MW_IRQ_CANCEL is complete */
	MW_UP_ABORTED,		/* one-way: a0 action: the other side dropped its last reference */
	MW_UP_EXIT,		/* one-way: no services remain */

	/* ---- dext -> kernel, each answered unless said one-way; "object" = service or user client id ---- */
	MW_DK_SET_NAME = 0x300,	/* a0 object, payload name */
	MW_DK_REGISTER_SERVICE,	/* a0 object */
	MW_DK_SET_PROPERTIES,	/* a0 object, payload struct mw_property... */
	MW_DK_PROPERTY,		/* a0 object or nub, payload key -> as MW_ENTRY_PROPERTY */
	MW_DK_CREATE,		/* a0 parent service, payload IOUserClass -> a0 new object id. The library calls Start itself */
	MW_DK_TERMINATE,	/* a0 object a1 options */
	MW_DK_DID_STOP,		/* a0 object: super Stop reached */
	MW_DK_ENTRY_ID,		/* a0 object or nub -> a0 registry entry id */
	MW_DK_ASYNC,		/* one-way: a0 user client a1 action a2 status a3 count; payload u64 args */
	MW_DK_ACTION_RELEASE,	/* one-way: a0 action */
	MW_DK_CLIENT_ENTITLEMENTS, /* a0 user client -> payload struct mw_property... */

	MW_MD_FROM_CLIENT = 0x340, /* a0 user client a1 options a2 count; payload {u64 address, length}[] -> a0 descriptor */
	MW_MD_BUFFER,		/* a0 direction a1 capacity a2 alignment -> a0 descriptor (length 0 until SET_LENGTH) */
	MW_MD_SET_LENGTH,	/* a0 descriptor a1 length */
	MW_MD_LENGTH,		/* a0 descriptor -> a0 length */
	MW_MD_MAP,		/* a0 descriptor a1 options a2 offset a3 length (0 = rest) -> fd; a0 offset in fd a1 length a2 1 = read-only */
	MW_MD_SUB,		/* a0 descriptor a1 options a2 offset a3 length -> a0 descriptor */
	MW_MD_CONCAT,		/* a0 options; payload u64 descriptors[] -> a0 descriptor */
	MW_MD_RETAIN,		/* a0 descriptor */
	MW_MD_RELEASE,		/* one-way: a0 descriptor */

	MW_DMA_CREATE = 0x360,	/* a0 device (nub, else no mapper) a1 options a2 spec.options a3 spec.maxAddressBits -> a0 command */
	MW_DMA_PREPARE,		/* a0 command a1 options a2 descriptor a3 offset a4 length a5 slots -> a0 flags a1 segments; payload {u64 address, length}[] */
	MW_DMA_COMPLETE,	/* a0 command a1 options */
	MW_DMA_PREPARATION,	/* a0 command -> a0 offset a1 length a2 descriptor */
	MW_DMA_RELEASE,		/* one-way: a0 command; completes it */

	MW_PCI_OPEN = 0x380,	/* a0 nub a1 for-client object a2 options -> a0 number of memory BARs */
	MW_PCI_CLOSE,		/* a0 nub a1 for-client object a2 options */
	MW_PCI_BAR_FD,		/* a0 nub a1 memory index -> fd; a0 offset a1 size (NotFound when it must go through the kernel) */
	MW_PCI_BAR_INFO,	/* a0 nub a1 bar -> a0 memory index a1 size a2 type */
	MW_PCI_CONFIG_READ,	/* a0 nub a1 offset a2 bytes -> a0 value */
	MW_PCI_CONFIG_WRITE,	/* a0 nub a1 offset a2 bytes a3 value */
	MW_PCI_MEMORY_READ,	/* a0 nub a1 memory index a2 offset a3 bytes -> a0 value */
	MW_PCI_MEMORY_WRITE,	/* a0 nub a1 memory index a2 offset a3 bytes a4 value */
	MW_PCI_COPY_MEMORY,	/* a0 nub a1 memory index a2 for-client object -> a0 descriptor */
	MW_PCI_BDF,		/* a0 nub -> a0 bus a1 device a2 function */
	MW_PCI_RESET,		/* a0 nub a1 type a2 options */
	MW_PCI_CONFIGURE_IRQS,	/* a0 nub a1 type a2 required a3 requested a4 options */

	MW_IRQ_CREATE = 0x3a0,	/* a0 nub a1 index -> a0 source (disabled) */
	MW_IRQ_TYPE,		/* a0 nub a1 index -> a0 type */
	MW_IRQ_ENABLE,		/* a0 source a1 0/1 */
	MW_IRQ_CANCEL,		/* a0 source; MW_UP_CANCELLED follows */
	MW_IRQ_LAST,		/* a0 source -> a0 count a1 time */
	MW_IRQ_RELEASE,		/* one-way: a0 source */

	/* ---- control (macsim-ctl, tests) ---- */
	MW_CTL_STATUS = 0x400,	/* -> payload JSON text */
	MW_CTL_UNPLUG,		/* payload BDF */
	MW_CTL_PLUG,		/* payload BDF: bring back an unplugged function */
	MW_CTL_KILL_DEXT,	/* payload BDF: SIGKILL the dext process of that function */
	MW_CTL_SET,		/* payload "key=value": run-time knobs (docs/macsim.md), e.g. fault injection */
	MW_CTL_EXTENSIONS,	/* -> payload text, as `systemextensionsctl list` prints it */
};

enum mw_type { MW_T_NUMBER = 1, MW_T_BOOL, MW_T_STRING, MW_T_DATA };
enum { MW_CALL_ASYNC = 1, MW_CALL_OOL_IN = 2, MW_CALL_OOL_OUT = 4, MW_CALL_VAR_OUT = 8 };
enum { MW_N_INTEREST = 1, MW_N_FIRST_MATCH, MW_N_TERMINATED };

/* Serialised dictionary entry: header, key with NUL, value bytes, padded to 8. */
struct mw_property {
	uint32_t type;		/* enum mw_type */
	uint32_t key_bytes;	/* with NUL */
	uint32_t value_bytes;	/* string (with NUL) or data; 0 for number and bool */
	uint32_t bits;		/* number: OSNumber width */
	uint64_t value;
};

#endif
