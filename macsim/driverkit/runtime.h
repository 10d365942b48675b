/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * runtime.h - what the files of this library share: calls to the simulated kernel, and the tables by which the
 * kernel's upcalls find their objects.
 *
 * Identifiers come from the kernel, 0 is none.  The tables of actions and sources do not keep their objects alive:
 * an object leaves its table before its memory goes, and lookups only succeed while it still has references.
 */
#ifndef MACSIM_DRIVERKIT_RUNTIME_H
#define MACSIM_DRIVERKIT_RUNTIME_H

#include <initializer_list>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include <Block.h>
#include <DriverKit/DriverKit.h>
extern "C" {
#include "macsim/wire/wire.h"
}

/* One request of the calling thread, over that thread's own socket. */
class KernelCall
{
public:
	KernelCall(mw_op op, std::initializer_list<uint64_t> arguments);
	~KernelCall();
	KernelCall(const KernelCall &) = delete;

	IOReturn send(const void *payload = nullptr, size_t bytes = 0);
	IOReturn send(const char *text);
	void post(const void *payload = nullptr, size_t bytes = 0); /* one-way */

	uint64_t a(unsigned index) const;
	const void *payload() const; /* until this thread's next call */
	uint32_t bytes() const;
	int takeFd();

private:
	mw_msg message = {};
	int fd = -1;
};

/* The kernel said something it never says: stop, as a Mach message violation would. */
[[noreturn]] void DriverKitViolation(const char *what, uint64_t value);

uint64_t NanosecondsToTicks(uint64_t ns);

/* ---- objects ---- */

struct OSObjectAccess {
	/* false when the last reference has already gone */
	static bool tryRetain(const OSObject *object);
};

template <class T> class WeakTable
{
public:
	void add(uint64_t id, T *object)
	{
		std::lock_guard<std::mutex> hold(mutex);
		objects[id] = object;
	}
	void remove(uint64_t id)
	{
		std::lock_guard<std::mutex> hold(mutex);
		objects.erase(id);
	}
	/* with a reference, or NULL */
	T *copy(uint64_t id)
	{
		std::lock_guard<std::mutex> hold(mutex);
		auto found = objects.find(id);
		return found != objects.end() && OSObjectAccess::tryRetain(found->second) ? found->second : nullptr;
	}

private:
	std::mutex mutex;
	std::map<uint64_t, T *> objects;
};

extern WeakTable<OSAction> &gActions;
extern WeakTable<IOInterruptDispatchSource> &gSources;

/* Of a client's asynchronous call; its abort handler runs on that queue. */
OSAction *ActionForCompletion(uint64_t kernelID, IODispatchQueue *queue);
uint64_t ActionKernelID(OSAction *action);
/* Calls the method the action was made for; arguments start with the action itself. */
void ActionFire(OSAction *action, void *const *arguments);
void ActionAborted(OSAction *action);
/* The queue that method runs on, which is `otherwise` unless it has QUEUENAME; with a reference. */
IODispatchQueue *ActionQueue(OSAction *action, IODispatchQueue *otherwise);

/* ---- services: this table does hold a reference, from attach to super Stop ---- */

IOService *ServiceForID(uint64_t id); /* with a reference, or NULL */
IOService *ServiceForProvider(uint64_t id, bool pci);
IOService *ServiceCreate(const char *userClass, uint64_t id, IOService *provider);
void ServiceForget(uint64_t id);
uint64_t ServiceID(const IOService *service);
/* The queue of that name, or NULL; the queue a kernel call of this method runs on.  With a reference. */
IODispatchQueue *ServiceNamedQueue(IOService *service, const char *name);
IODispatchQueue *ServiceQueue(IOService *service, uint64_t msgid);

/* false, with the block unused, once the queue has been cancelled */
bool QueueEnqueue(IODispatchQueue *queue, IODispatchBlock block);

uint64_t DescriptorID(IOMemoryDescriptor *descriptor);
IOMemoryDescriptor *DescriptorForID(uint64_t id); /* takes over one kernel reference; 0 gives NULL */

void UserClientCall(IOUserClient *client, const mw_msg &request, const std::vector<uint8_t> &payload,
		    void (^answer)(mw_msg *reply, const void *payload));

void InterruptArrived(IOInterruptDispatchSource *source, uint64_t count, uint64_t ns, void (^finished)(void));
void InterruptCancelled(IOInterruptDispatchSource *source);

/* ---- properties ---- */

bool PropertiesEncode(const OSDictionary *dictionary, std::vector<uint8_t> &out);
OSDictionary *PropertiesDecode(const void *bytes, size_t length);

/* The dext's Info.plist, which stands beside its executable. */
struct Personality {
	static IOReturn userClass(const char *service, const char *key, std::string &userClass);
};

/* Shared memory in the dext, with inaccessible pages around it. */
struct Mapping {
	void *base = nullptr;
	size_t span = 0;
	uint8_t *address = nullptr;
	uint64_t length = 0;

	bool map(int fd, uint64_t offset, uint64_t bytes, bool readOnly);
	void unmap();
};

#endif
