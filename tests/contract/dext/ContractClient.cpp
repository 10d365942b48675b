/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ContractClient.cpp - does to DriverKit what the test asks for and reports every result. */
#include <unistd.h>
#include <DriverKit/DriverKit.h>
#include <PCIDriverKit/PCIDriverKit.h>

#include "ContractClient.h"
#include "contract.h"

struct ContractClient_IVars {
	ContractDriver *driver;
	IODispatchQueue *methods;
	IOBufferMemoryDescriptor *shared;
};

bool ContractClient::init()
{
	if (!super::init())
		return false;
	ivars = IONewZero(ContractClient_IVars, 1);
	return ivars != NULL;
}

void ContractClient::free()
{
	OSSafeReleaseNULL(ivars->driver);
	OSSafeReleaseNULL(ivars->methods);
	OSSafeReleaseNULL(ivars->shared);
	IOSafeDeleteNULL(ivars, ContractClient_IVars, 1);
	super::free();
}

kern_return_t IMPL(ContractClient, Start)
{
	kern_return_t ret = Start(provider, SUPERDISPATCH);

	if (ret != kIOReturnSuccess)
		return ret;
	ivars->driver = OSDynamicCast(ContractDriver, provider);
	if (!ivars->driver)
		return kIOReturnBadArgument;
	ivars->driver->retain();
	ret = IODispatchQueue::Create("ContractMethods", 0, 0, &ivars->methods);
	if (ret != kIOReturnSuccess)
		return ret;
	return SetDispatchQueue(kIOUserClientQueueNameExternalMethod, ivars->methods);
}

kern_return_t IMPL(ContractClient, Stop)
{
	return Stop(provider, SUPERDISPATCH);
}

ContractDriver *ContractClient::GetDriver()
{
	return ivars->driver;
}

void IMPL(ContractClient, AsyncCompletion)
{
	(void)action;
	(void)status;
	(void)asyncData;
	(void)asyncDataCount;
}

/* Type 0: a page that counts who asked for it; type 1: the same, read-only; BAR n: 0x100 + n. */
kern_return_t IMPL(ContractClient, CopyClientMemoryForType)
{
	IOAddressSegment range;
	kern_return_t ret;

	if (type >= 0x100)
		return ivars->driver->GetDevice()->_CopyDeviceMemoryWithIndex(type - 0x100, memory, ivars->driver);
	if (type > 1)
		return kIOReturnUnsupported;
	if (!ivars->shared) {
		ret = IOBufferMemoryDescriptor::Create(kIOMemoryDirectionInOut, IOVMPageSize, 0, &ivars->shared);
		if (ret != kIOReturnSuccess)
			return ret;
		ivars->shared->SetLength(IOVMPageSize);
	}
	ret = ivars->shared->GetAddressRange(&range);
	if (ret != kIOReturnSuccess)
		return ret;
	++*reinterpret_cast<volatile uint64_t *>(range.address);
	ivars->shared->retain();
	*memory = ivars->shared;
	*options = type ? kIOUserClientMemoryReadOnly : 0;
	return kIOReturnSuccess;
}

/* ---- how calls arrive ---- */

static kern_return_t Checked(OSObject *target, void *, IOUserClientMethodArguments *arguments)
{
	static const uint8_t bytes[16] = {1, 2, 3};

	if (!OSDynamicCast(ContractClient, target))
		return kIOReturnInternalError;
	arguments->scalarOutput[0] = arguments->scalarInput[0] + arguments->scalarInput[1];
	arguments->structureOutput = OSData::withBytes(bytes, sizeof(bytes));
	return kIOReturnSuccess;
}

static const IOUserClientMethodDispatch kChecked = {Checked, 0, 2, 8, 1, 16};
static const IOUserClientMethodDispatch kNoFunction = {NULL,
						       kIOUserClientVariableStructureSize,
						       kIOUserClientVariableStructureSize,
						       kIOUserClientVariableStructureSize,
						       kIOUserClientVariableStructureSize,
						       kIOUserClientVariableStructureSize};
static const IOUserClientMethodDispatch kAsyncOnly = {
	[](OSObject *, void *, IOUserClientMethodArguments *) -> kern_return_t { return kIOReturnSuccess; },
	1,
	0,
	0,
	0,
	0};

void ContractClient::Arguments(IOUserClientMethodArguments *a)
{
	uint64_t *out = a->scalarOutput, length = 0, sum = 0;
	const uint8_t *bytes = NULL;
	IOMemoryMap *map = NULL;

	out[ARGUMENTS_SCALARS_IN] = a->scalarInputCount;
	out[ARGUMENTS_SCALARS_OUT] = a->scalarOutputCount;
	out[ARGUMENTS_MAXIMUM] = a->structureOutputMaximumSize;
	out[ARGUMENTS_QUEUE] = ivars->methods->OnQueue();
	if (a->structureInput) {
		length = a->structureInput->getLength();
		bytes = static_cast<const uint8_t *>(a->structureInput->getBytesNoCopy());
		out[ARGUMENTS_STRUCT_IN] = length + 1;
	}
	if (a->structureInputDescriptor) {
		a->structureInputDescriptor->GetLength(&length);
		out[ARGUMENTS_DESCRIPTOR_IN] = length + 1;
		if (a->structureInputDescriptor->CreateMapping(0, 0, 0, 0, 0, &map) == kIOReturnSuccess)
			bytes = reinterpret_cast<const uint8_t *>(map->GetAddress());
	}
	for (uint64_t i = 0; bytes && i < length; i++)
		sum += bytes[i];
	out[ARGUMENTS_SUM] = sum;
	OSSafeReleaseNULL(map);
	if (a->structureOutputDescriptor) {
		a->structureOutputDescriptor->GetLength(&length);
		out[ARGUMENTS_DESCRIPTOR_OUT] = length + 1;
		if (a->structureOutputDescriptor->CreateMapping(0, 0, 0, 0, 0, &map) == kIOReturnSuccess)
			memset(reinterpret_cast<void *>(map->GetAddress()), 0x5a, length);
		OSSafeReleaseNULL(map);
	} else if (a->structureOutputMaximumSize) {
		a->structureOutput = OSData::withBytes("out", 3);
	}
}

void ContractClient::Complete(IOUserClientMethodArguments *a)
{
	IOUserClientAsyncArgumentsArray values;
	OSAction *completion = a->completion;
	uint64_t times = a->scalarInput[0];
	uint32_t count = static_cast<uint32_t>(a->scalarInput[1]);

	for (unsigned i = 0; i < kIOUserClientAsyncArgumentsCountMax; i++)
		values[i] = 100 + i;
	/* One too many: dropped without a word. */
	AsyncCompletion(completion, kIOReturnBusy, values, kIOUserClientAsyncArgumentsCountMax + 1);
	completion->retain();
	IODispatchQueue *queue = NULL;
	CopyDispatchQueue(kIOServiceDefaultQueueName, &queue);
	IOUserClientAsyncArgumentsArray *boxed = IONew(IOUserClientAsyncArgumentsArray, 1);
	memcpy(boxed, values, sizeof(values));
	queue->DispatchAsync(^{
	  for (uint64_t i = 0; i < times; i++) {
		  (*boxed)[0] = i;
		  AsyncCompletion(completion, kIOReturnSuccess, *boxed, count);
	  }
	  IOFree(boxed, sizeof(*boxed));
	  completion->release();
	});
	queue->release();
}

/* ---- memory ---- */

void ContractClient::Describe(IOUserClientMethodArguments *a)
{
	IOAddressSegment segments[64] = {};
	IOMemoryDescriptor *memory = NULL;
	uint64_t length = 0;

	if (a->structureInput && a->structureInput->getLength() <= sizeof(segments))
		memcpy(segments, a->structureInput->getBytesNoCopy(), a->structureInput->getLength());
	a->scalarOutput[0] = (uint32_t)CreateMemoryDescriptorFromClient(
		a->scalarInput[0], static_cast<uint32_t>(a->scalarInput[1]), segments, &memory);
	if (memory)
		memory->GetLength(&length);
	a->scalarOutput[1] = length;
	OSSafeReleaseNULL(memory);
}

static kern_return_t CreateCommand(ContractDriver *driver, uint64_t bits, IODMACommand **command)
{
	IODMACommandSpecification specification = {};

	specification.maxAddressBits = bits;
	return IODMACommand::Create(driver->GetDevice(), kIODMACommandCreateNoOptions, &specification, command);
}

void ContractClient::Prepare(IOUserClientMethodArguments *a)
{
	struct {
		contract_prepare p;
		IOAddressSegment ranges[32];
	} in = {};
	IOAddressSegment segments[64] = {};
	IOMemoryDescriptor *memory = NULL, *same = NULL;
	IODMACommand *command = NULL;
	uint64_t *out = a->scalarOutput;

	if (!a->structureInput || a->structureInput->getLength() > sizeof(in))
		return;
	memcpy(&in, a->structureInput->getBytesNoCopy(), a->structureInput->getLength());
	out[PREPARED_DESCRIBE] =
		(uint32_t)CreateMemoryDescriptorFromClient(in.p.memory_options, in.p.ranges, in.ranges, &memory);
	out[PREPARED_CREATE] = (uint32_t)CreateCommand(ivars->driver, in.p.bits, &command);
	if (command) {
		uint32_t slots = in.p.slots;
		uint64_t flags = 0, offset = 0, length = 0;
		kern_return_t ret = command->PrepareForDMA(in.p.options, memory, in.p.offset, in.p.length, &flags,
							   &slots, segments);
		out[PREPARED_RET] = (uint32_t)ret;
		if (ret == kIOReturnSuccess) {
			out[PREPARED_FLAGS] = flags;
			out[PREPARED_SEGMENTS] = slots;
			for (uint32_t i = 0; i < slots; i++)
				out[PREPARED_SUM] += segments[i].length;
			out[PREPARED_ADDRESS] = segments[0].address;
			out[PREPARED_LENGTH] = segments[0].length;
			out[PREPARED_GET] = (uint32_t)command->GetPreparation(&offset, &length, &same);
			out[PREPARED_GET_OFFSET] = offset;
			out[PREPARED_GET_LENGTH] = length;
			out[PREPARED_GET_SAME] = same == memory;
			OSSafeReleaseNULL(same);
		}
		out[PREPARED_COMPLETE] = (uint32_t)command->CompleteDMA(kIODMACommandCompleteDMANoOptions);
		out[PREPARED_COMPLETE_AGAIN] = (uint32_t)command->CompleteDMA(kIODMACommandCompleteDMANoOptions);
	}
	OSSafeReleaseNULL(command);
	OSSafeReleaseNULL(memory);
}

void ContractClient::Busy(IOUserClientMethodArguments *a)
{
	const IOAddressSegment range = {a->scalarInput[0], a->scalarInput[1]};
	IOMemoryDescriptor *first = NULL, *second = NULL;
	IOAddressSegment segments[32];
	IODMACommand *command = NULL;
	uint64_t *out = a->scalarOutput, flags;
	uint32_t slots = 32;

	CreateMemoryDescriptorFromClient(kIOMemoryDirectionInOut | kIOMemoryDisableCopyOnWrite, 1, &range, &first);
	CreateMemoryDescriptorFromClient(kIOMemoryDirectionInOut | kIOMemoryDisableCopyOnWrite, 1, &range, &second);
	CreateCommand(ivars->driver, 0, &command);
	out[0] = (uint32_t)command->PrepareForDMA(0, first, 0, 0, &flags, &slots, segments);
	slots = 32;
	out[1] = (uint32_t)command->PrepareForDMA(0, second, 0, 0, &flags, &slots, segments);
	out[2] = (uint32_t)command->CompleteDMA(1);
	out[3] = (uint32_t)command->CompleteDMA(0);
	slots = 32;
	out[4] = (uint32_t)command->PrepareForDMA(0, second, 0, 0, &flags, &slots, segments);
	/* No CompleteDMA: releasing the command completes it. */
	command->release();
	first->release();
	second->release();
}

/* A system call that stores its result reports memory it cannot write to instead of ending the process. */
static bool Writable(volatile void *address)
{
	uint8_t byte = *static_cast<volatile uint8_t *>(address);
	bool stored = false;
	int ends[2];

	if (pipe(ends))
		return false;
	if (write(ends[1], &byte, 1) == 1)
		stored = read(ends[0], const_cast<void *>(address), 1) == 1;
	close(ends[0]);
	close(ends[1]);
	return stored;
}

static uint64_t MapsWritable(IOMemoryDescriptor *memory, uint64_t options)
{
	IOMemoryMap *map = NULL;
	uint64_t writable = ~0ull;

	if (memory && memory->CreateMapping(options, 0, 0, 0, 0, &map) == kIOReturnSuccess)
		writable = Writable(reinterpret_cast<void *>(map->GetAddress()));
	OSSafeReleaseNULL(map);
	return writable;
}

void ContractClient::Mapping(IOUserClientMethodArguments *a)
{
	const IOAddressSegment range = {a->scalarInput[1], a->scalarInput[2]};
	IOMemoryDescriptor *memory = NULL;
	IOMemoryMap *map = NULL;
	uint64_t *out = a->scalarOutput;

	out[0] = (uint32_t)CreateMemoryDescriptorFromClient(a->scalarInput[0], 1, &range, &memory);
	if (!memory)
		return;
	out[1] = (uint32_t)memory->CreateMapping(a->scalarInput[3], 0, 0, 0, 0, &map);
	if (map) {
		volatile uint64_t *at = reinterpret_cast<volatile uint64_t *>(map->GetAddress());
		out[2] = *at;
		out[4] = Writable(at);
		if (out[4])
			*at = 0x1122334455667788;
		out[3] = map->GetLength();
	}
	OSSafeReleaseNULL(map);
	OSSafeReleaseNULL(memory);
}

static void OutBuffer(uint64_t *out)
{
	IOBufferMemoryDescriptor *buffer = NULL;
	IOMemoryDescriptor *part = NULL;
	IOAddressSegment range = {};

	if (IOBufferMemoryDescriptor::Create(kIOMemoryDirectionOut, IOVMPageSize, 0, &buffer) != kIOReturnSuccess)
		return;
	buffer->SetLength(IOVMPageSize);
	if (buffer->GetAddressRange(&range) == kIOReturnSuccess)
		out[0] = Writable(reinterpret_cast<void *>(range.address));
	out[1] = MapsWritable(buffer, 0);
	out[2] = MapsWritable(buffer, kIOMemoryMapReadOnly);
	IOMemoryDescriptor::CreateSubMemoryDescriptor(kIOMemoryDirectionOut, 0, IOVMPageSize, buffer, &part);
	out[3] = MapsWritable(part, 0);
	OSSafeReleaseNULL(part);
	buffer->release();
}

static void Buffer(uint64_t *out)
{
	IOBufferMemoryDescriptor *buffer = NULL, *bad = NULL;
	IOAddressSegment range = {};

	out[0] = (uint32_t)IOBufferMemoryDescriptor::Create(kIOMemoryDirectionInOut, 20000, 0, &buffer);
	out[1] = ~0ull;
	buffer->GetLength(&out[1]);
	out[2] = (uint32_t)buffer->SetLength(20000);
	buffer->GetLength(&out[3]);
	out[4] = (uint32_t)buffer->GetAddressRange(&range);
	out[5] = range.length;
	if (range.address) {
		memset(reinterpret_cast<void *>(range.address), 0xa5, range.length);
		out[6] = *reinterpret_cast<uint8_t *>(range.address + range.length - 1);
	}
	out[7] = (uint32_t)buffer->SetLength(1 << 20);
	out[8] = (uint32_t)IOBufferMemoryDescriptor::Create(kIOMemoryDirectionInOut | 0x100, 4096, 0, &bad);
	buffer->release();
}

/* ---- queues ---- */

static void Queues(IOService *self, uint64_t *out)
{
	IODispatchQueue *queue = NULL, *found = NULL;
	__block unsigned next = 0, running = 0;
	__block bool good = true, cancelled = false, last = false;
	bool inside_outside = true;
	__block bool inside = false;

	IODispatchQueue::Create("ContractQueue", 0, 0, &queue);
	for (unsigned i = 0; i < 100; i++) {
		queue->DispatchAsync(^{
		  good = good && !running++ && next++ == i;
		  running--;
		});
	}
	queue->DispatchSync(^{
	  inside = queue->OnQueue();
	});
	out[QUEUES_SYNC] = next == 100;
	out[QUEUES_ORDER] = good;
	inside_outside = inside && !queue->OnQueue();
	out[QUEUES_ON_QUEUE] = inside_outside;
	out[QUEUES_ACTION] = (uint32_t)queue->RunAction(^kern_return_t {
	  return kIOReturnOverrun;
	});
	queue->DispatchAsync(^{
	  IOSleep(20);
	  last = true;
	});
	IOLock *lock = IOLockAlloc();
	queue->Cancel(^{
	  IOLockLock(lock);
	  cancelled = last;
	  IOLockUnlock(lock);
	});
	queue->DispatchAsync(^{
	  last = false;
	});
	for (int i = 0; i < 200; i++) {
		IOLockLock(lock);
		bool done = cancelled;
		IOLockUnlock(lock);
		if (done)
			break;
		IOSleep(5);
	}
	out[QUEUES_CANCEL] = cancelled && last;
	IOLockFree(lock);
	queue->release();
	out[QUEUES_COPY] = self->CopyDispatchQueue(kIOServiceDefaultQueueName, &found) == kIOReturnSuccess;
	OSSafeReleaseNULL(found);
	out[QUEUES_COPY] &= self->CopyDispatchQueue("NobodySetThis", &found) == kIOReturnNotFound;
}

static void Properties(ContractDriver *driver, uint64_t *out)
{
	OSDictionary *properties = OSDictionary::withCapacity(4);
	OSContainer *found = NULL;

	OSDictionarySetUInt64Value(properties, "ContractNumber", 7);
	OSDictionarySetStringValue(properties, "ContractString", "seven");
	properties->setObject("ContractTrue", kOSBooleanTrue);
	out[0] = (uint32_t)driver->SetProperties(properties);
	properties->release();
	out[1] = (uint32_t)driver->SearchProperty("ContractNumber", "IOService", 0, &found);
	OSNumber *number = OSDynamicCast(OSNumber, found);
	out[2] = number ? number->unsigned64BitValue() : 0;
	OSSafeReleaseNULL(found);
	out[3] = (uint32_t)driver->SearchProperty("NobodySetThis", "IOService", 0, &found);
	driver->GetDevice()->SearchProperty(kIOPCIDeviceMapperPageSize, "IOService", 0, &found);
	number = OSDynamicCast(OSNumber, found);
	out[4] = number ? number->unsigned64BitValue() : 0;
	OSSafeReleaseNULL(found);
	/* The nub's property is the driver's only through its parents. */
	out[5] = (uint32_t)driver->SearchProperty(kIOPCIDeviceMapperPageSize, "IOService", 0, &found);
	out[6] = (uint32_t)driver->SearchProperty(kIOPCIDeviceMapperPageSize, "IOService",
						  kIOServiceSearchPropertyParents, &found);
	OSSafeReleaseNULL(found);
	driver->CopyProperties(&properties);
	out[7] = properties->getCount();
	properties->release();
}

/* ---- the methods ---- */

kern_return_t ContractClient::ExternalMethod(uint64_t selector, IOUserClientMethodArguments *arguments,
					     const IOUserClientMethodDispatch *, OSObject *, void *)
{
	ContractDriver *driver = ivars->driver;
	IOPCIDevice *device = driver->GetDevice();
	const uint64_t *in = arguments->scalarInput;
	uint64_t *out = arguments->scalarOutput;
	IOMemoryDescriptor *memory = NULL;
	uint32_t value = 0;
	uint8_t index = 0, type = 0;

	switch (selector) {
	case CONTRACT_CHECKED:
		return super::ExternalMethod(selector, arguments, &kChecked, this, NULL);
	case CONTRACT_NO_FUNCTION:
		return super::ExternalMethod(selector, arguments, &kNoFunction, this, NULL);
	case CONTRACT_ASYNC_ONLY:
		return super::ExternalMethod(selector, arguments, &kAsyncOnly, this, NULL);
	case CONTRACT_START:
		driver->CopyStart(out);
		break;
	case CONTRACT_ARGUMENTS:
		Arguments(arguments);
		break;
	case CONTRACT_COMPLETE:
		if (!arguments->completion)
			return kIOReturnBadArgument;
		Complete(arguments);
		break;
	case CONTRACT_DESCRIBE:
		Describe(arguments);
		break;
	case CONTRACT_PREPARE:
		Prepare(arguments);
		break;
	case CONTRACT_BUSY:
		Busy(arguments);
		break;
	case CONTRACT_MAPPING:
		Mapping(arguments);
		break;
	case CONTRACT_BUFFER:
		Buffer(out);
		break;
	case CONTRACT_OUT_BUFFER:
		OutBuffer(out);
		break;
	case CONTRACT_BAR_INFO:
		out[0] = (uint32_t)device->GetBARInfo(static_cast<uint8_t>(in[0]), &index, &out[2], &type);
		out[1] = index;
		out[3] = type;
		break;
	case CONTRACT_MEMORY:
		device->MemoryRead32(static_cast<uint8_t>(in[0]), in[1], &value);
		out[0] = value;
		break;
	case CONTRACT_COPY_MEMORY:
		out[0] = (uint32_t)device->_CopyDeviceMemoryWithIndex(in[0], &memory,
								      in[1] ? (IOService *)driver : this);
		if (memory)
			memory->GetLength(&out[1]);
		OSSafeReleaseNULL(memory);
		break;
	case CONTRACT_FIND:
		out[0] = (uint32_t)device->FindPCICapability(static_cast<uint32_t>(in[0]), in[1], &out[1]);
		break;
	case CONTRACT_RESET:
		out[0] = (uint32_t)device->Reset(static_cast<uint32_t>(in[0]), static_cast<uint32_t>(in[1]));
		break;
	case CONTRACT_CONFIGURE:
		out[0] = (uint32_t)device->ConfigureInterrupts(
			static_cast<uint32_t>(in[0]), static_cast<uint32_t>(in[1]), static_cast<uint32_t>(in[2]),
			static_cast<uint32_t>(in[3]));
		break;
	case CONTRACT_SOURCE:
		driver->Source(out, in[0]);
		break;
	case CONTRACT_INTERRUPTS:
		driver->Interrupts(out, in[0], in[1]);
		break;
	case CONTRACT_CANCEL:
		driver->Cancel(out, in[0]);
		break;
	case CONTRACT_CREATE:
		driver->BadCreates(out);
		break;
	case CONTRACT_QUEUES:
		Queues(this, out);
		break;
	case CONTRACT_PROPERTIES:
		Properties(driver, out);
		break;
	case CONTRACT_TIMER:
		driver->Timer(out, in[0]);
		break;
	default:
		return kIOReturnUnsupported;
	}
	return kIOReturnSuccess;
}
