/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Stands in for Foundation where there is no Apple SDK: what app/ uses, as documented at developer.apple.com, and what
 * the compiler itself needs for string and array literals.
 */
#ifndef STANDIN_FOUNDATION_H
#define STANDIN_FOUNDATION_H

#include <stdint.h>
#include <objc/NSObject.h>

typedef double CGFloat;
#define NS_ENUM(type, name) enum name : type name; enum name : type

typedef struct CGPoint { CGFloat x, y; } CGPoint;
typedef struct CGSize { CGFloat width, height; } CGSize;
typedef struct CGRect { CGPoint origin; CGSize size; } CGRect;
typedef CGRect NSRect;
static inline NSRect NSMakeRect(CGFloat x, CGFloat y, CGFloat w, CGFloat h)
{
	return (NSRect){{x, y}, {w, h}};
}
typedef struct NSEdgeInsets { CGFloat top, left, bottom, right; } NSEdgeInsets;
static inline NSEdgeInsets NSEdgeInsetsMake(CGFloat top, CGFloat left, CGFloat bottom, CGFloat right)
{
	return (NSEdgeInsets){top, left, bottom, right};
}

@interface NSString : NSObject
+ (instancetype)stringWithUTF8String:(const char *)bytes;
+ (instancetype)stringWithFormat:(NSString *)format, ... __attribute__((format(__NSString__, 1, 2)));
@property (readonly) const char *UTF8String __attribute__((objc_returns_inner_pointer));
- (BOOL)isEqualToString:(NSString *)other;
@end

@interface NSArray<__covariant T> : NSObject
+ (instancetype)arrayWithObjects:(const T[])objects count:(NSUInteger)count;
@property (readonly) NSUInteger count;
- (T)objectAtIndex:(NSUInteger)index;
@end

@interface NSBundle : NSObject
@property (class, readonly, strong) NSBundle *mainBundle;
- (id)objectForInfoDictionaryKey:(NSString *)key;
@end

typedef struct {
	NSInteger majorVersion, minorVersion, patchVersion;
} NSOperatingSystemVersion;

@interface NSProcessInfo : NSObject
@property (class, readonly, strong) NSProcessInfo *processInfo;
@property (readonly) NSOperatingSystemVersion operatingSystemVersion;
@end

typedef NSString *NSErrorDomain;
@interface NSError : NSObject
@property (readonly, copy) NSErrorDomain domain;
@property (readonly) NSInteger code;
@property (readonly, copy) NSString *localizedDescription;
@end

@interface NSNotification : NSObject
@end

#endif
