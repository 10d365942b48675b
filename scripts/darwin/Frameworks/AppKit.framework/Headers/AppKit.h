/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Stands in for AppKit where there is no Apple SDK: what app/ uses, as documented at developer.apple.com. */
#ifndef STANDIN_APPKIT_H
#define STANDIN_APPKIT_H

#import <Foundation/Foundation.h>

@interface NSLayoutConstraint : NSObject
@property (getter=isActive) BOOL active;
@end

@interface NSLayoutDimension : NSObject
- (NSLayoutConstraint *)constraintEqualToConstant:(CGFloat)c;
@end

@interface NSView : NSObject
@property (readonly, strong) NSLayoutDimension *widthAnchor;
@end

@interface NSControl : NSView
@property (copy) NSString *stringValue;
@property (getter=isEnabled) BOOL enabled;
@end

@interface NSTextField : NSControl
+ (instancetype)wrappingLabelWithString:(NSString *)string;
@end

@interface NSButton : NSControl
+ (instancetype)buttonWithTitle:(NSString *)title target:(id)target action:(SEL)action;
@end

typedef NS_ENUM(NSInteger, NSUserInterfaceLayoutOrientation) {
	NSUserInterfaceLayoutOrientationHorizontal = 0,
	NSUserInterfaceLayoutOrientationVertical = 1,
};

@interface NSStackView : NSView
+ (instancetype)stackViewWithViews:(NSArray<NSView *> *)views;
@property NSUserInterfaceLayoutOrientation orientation;
@property NSEdgeInsets edgeInsets;
@end

typedef NSUInteger NSWindowStyleMask;
enum {
	NSWindowStyleMaskTitled = 1 << 0,
	NSWindowStyleMaskClosable = 1 << 1,
};
typedef NSUInteger NSBackingStoreType;
enum {
	NSBackingStoreBuffered = 2,
};

@interface NSWindow : NSObject
- (instancetype)initWithContentRect:(NSRect)rect
			  styleMask:(NSWindowStyleMask)style
			    backing:(NSBackingStoreType)backing
			      defer:(BOOL)flag;
@property (getter=isReleasedWhenClosed) BOOL releasedWhenClosed;
@property (copy) NSString *title;
@property (strong) NSView *contentView;
- (void)center;
- (void)makeKeyAndOrderFront:(id)sender;
@end

@class NSMenu;

@interface NSMenuItem : NSObject
@property (strong) NSMenu *submenu;
@end

@interface NSMenu : NSObject
- (NSMenuItem *)addItemWithTitle:(NSString *)title action:(SEL)action keyEquivalent:(NSString *)key;
- (void)addItem:(NSMenuItem *)item;
@end

@class NSApplication;

@protocol NSApplicationDelegate <NSObject>
@optional
- (void)applicationDidFinishLaunching:(NSNotification *)notification;
- (BOOL)applicationShouldTerminateAfterLastWindowClosed:(NSApplication *)app;
@end

@interface NSApplication : NSObject
@property (class, readonly, strong) NSApplication *sharedApplication;
@property (weak) id<NSApplicationDelegate> delegate;
@property (strong) NSMenu *mainMenu;
- (void)activateIgnoringOtherApps:(BOOL)flag;
- (void)terminate:(id)sender;
- (void)run;
@end

extern NSApplication *NSApp;

#endif
