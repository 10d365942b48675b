/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * personality.cpp - what IOService::Create needs of Info.plist: the dictionary a personality holds under the key it
 * was given.  As in a .dext bundle, Info.plist stands beside the executable.
 */
#include "runtime.h"

#include <limits.h>
#include <stdio.h>
#include <unistd.h>

namespace
{

/* A property list value: only dictionaries and text matter here. */
struct Value {
	std::map<std::string, Value> entries;
	std::string text;
	bool dictionary = false;
};

/* XML property lists as plutil writes them. */
class Reader
{
public:
	explicit Reader(const std::string &xml) : text(xml)
	{
	}

	bool read(Value &value)
	{
		std::string tag = nextTag();

		while (tag.rfind("?", 0) == 0 || tag.rfind("!", 0) == 0 || tag.rfind("plist", 0) == 0)
			tag = nextTag();
		return readValue(tag, value, 0);
	}

private:
	/* What stands between < and >; comments are skipped. */
	std::string nextTag()
	{
		for (;;) {
			size_t open = text.find('<', at);
			if (open == std::string::npos)
				return "";
			if (!text.compare(open, 4, "<!--")) {
				size_t end = text.find("-->", open);
				at = end == std::string::npos ? text.size() : end + 3;
				continue;
			}
			size_t close = text.find('>', open);
			if (close == std::string::npos)
				return "";
			at = close + 1;
			return text.substr(open + 1, close - open - 1);
		}
	}

	bool readText(const std::string &tag, std::string &out)
	{
		size_t end = text.find("</" + tag + ">", at);

		if (end == std::string::npos)
			return false;
		out = text.substr(at, end - at);
		at = end + tag.size() + 3;
		return true;
	}

	bool readValue(const std::string &tag, Value &value, int depth)
	{
		if (tag.empty() || tag[0] == '/' || depth > 16)
			return false;
		if (tag.back() == '/')
			return true;
		if (tag == "dict")
			return readDictionary(value, depth);
		if (tag != "array")
			return readText(tag, value.text);
		for (std::string inner = nextTag(); inner != "/array"; inner = nextTag()) {
			Value ignored;
			if (!readValue(inner, ignored, depth + 1))
				return false;
		}
		return true;
	}

	bool readDictionary(Value &value, int depth)
	{
		value.dictionary = true;
		for (std::string tag = nextTag(); tag != "/dict"; tag = nextTag()) {
			std::string key;
			if (tag != "key" || !readText(tag, key) || !readValue(nextTag(), value.entries[key], depth + 1))
				return false;
		}
		return true;
	}

	const std::string &text;
	size_t at = 0;
};

std::string InfoPath()
{
	char path[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);
	std::string exe(path, n > 0 ? n : 0);

	return exe.substr(0, exe.rfind('/') + 1) + "Info.plist";
}

bool ReadInfo(Value &info)
{
	std::string path = InfoPath(), xml;
	char chunk[4096];
	FILE *f = fopen(path.c_str(), "re");

	if (!f) {
		IOLog("DriverKit: no %s: put it beside the dext's executable, as in a .dext bundle", path.c_str());
		return false;
	}
	for (size_t n; (n = fread(chunk, 1, sizeof(chunk), f)) > 0;)
		xml.append(chunk, n);
	fclose(f);
	if (Reader(xml).read(info))
		return true;
	IOLog("DriverKit: %s is not an XML property list", path.c_str());
	return false;
}

const Value *Find(const Value &dictionary, const char *key)
{
	auto found = dictionary.entries.find(key);

	return found == dictionary.entries.end() ? nullptr : &found->second;
}

} // namespace

/* US 5168: no dictionary or no IOClass is BadArgument, a class nobody has is Unsupported. */
IOReturn Personality::userClass(const char *service, const char *key, std::string &userClass)
{
	Value info;
	const Value *properties = nullptr;

	if (!ReadInfo(info))
		return kIOReturnBadArgument;
	if (const Value *personalities = Find(info, "IOKitPersonalities")) {
		for (auto &entry : personalities->entries) {
			const Value *owner = Find(entry.second, "IOUserClass");
			if (owner && owner->text == service)
				properties = Find(entry.second, key);
		}
	}
	if (!properties || !properties->dictionary) {
		IOLog("DriverKit: Info.plist: the personality of %s has no dictionary %s", service, key);
		return kIOReturnBadArgument;
	}
	const Value *ioClass = Find(*properties, "IOClass");
	const Value *name = Find(*properties, "IOUserClass");
	if (!ioClass)
		return kIOReturnBadArgument;
	if (ioClass->text != "IOUserUserClient" && ioClass->text != "IOUserService")
		return kIOReturnUnsupported;
	if (!name)
		return kIOReturnUnsupported;
	userClass = name->text;
	return kIOReturnSuccess;
}
