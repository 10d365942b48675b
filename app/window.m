// SPDX-License-Identifier: GPL-2.0-or-later
/* window.m - the same with a text and two buttons, for whoever opens the app in the Finder. */
#import <AppKit/AppKit.h>

#import "request.h"

#include "command.h"

@interface AppWindow : NSObject <NSApplicationDelegate>
@end

@implementation AppWindow {
	AppRequest *_request;
	NSWindow *_window;
	NSTextField *_text;
	NSButton *_activate, *_deactivate;
}

- (void)applicationDidFinishLaunching:(NSNotification *)notification
{
	NSStackView *buttons, *all;
	AppWindow *__weak me = self;

	(void)notification;
	_text = [NSTextField wrappingLabelWithString:@"Looking for the driver extension…"];
	[_text.widthAnchor constraintEqualToConstant:440].active = YES;
	_activate = [NSButton buttonWithTitle:@"Activate" target:self action:@selector(activate:)];
	_deactivate = [NSButton buttonWithTitle:@"Remove" target:self action:@selector(deactivate:)];
	buttons = [NSStackView stackViewWithViews:@[ _activate, _deactivate ]];
	all = [NSStackView stackViewWithViews:@[ _text, buttons ]];
	all.orientation = NSUserInterfaceLayoutOrientationVertical;
	all.edgeInsets = NSEdgeInsetsMake(20, 20, 20, 20);

	_window = [[NSWindow alloc] initWithContentRect:NSMakeRect(0, 0, 480, 160)
					      styleMask:NSWindowStyleMaskTitled | NSWindowStyleMaskClosable
						backing:NSBackingStoreBuffered
						  defer:NO];
	_window.releasedWhenClosed = NO;
	_window.title = @"VFIOApple";
	_window.contentView = all;
	[_window center];
	[_window makeKeyAndOrderFront:nil];
	[NSApp activateIgnoringOtherApps:YES];

	_request = [[AppRequest alloc] initWithReport:^(enum app_outcome outcome, bool ended, NSString *sentence) {
	  (void)outcome;
	  [me show:sentence ended:ended];
	}];
	[self submit:APP_STATUS];
}

- (BOOL)applicationShouldTerminateAfterLastWindowClosed:(NSApplication *)app
{
	(void)app;
	return YES;
}

- (void)show:(NSString *)sentence ended:(bool)ended
{
	_text.stringValue = sentence;
	_activate.enabled = ended;
	_deactivate.enabled = ended;
}

- (void)submit:(enum app_request)kind
{
	_activate.enabled = NO;
	_deactivate.enabled = NO;
	[_request submit:kind];
}

- (void)activate:(id)sender
{
	(void)sender;
	_text.stringValue = @"Activating the driver extension…";
	[self submit:APP_ACTIVATE];
}

- (void)deactivate:(id)sender
{
	(void)sender;
	_text.stringValue = @"Removing the driver extension…";
	[self submit:APP_DEACTIVATE];
}

@end

int app_window(void)
{
	static AppWindow *window; /* NSApplication keeps no reference to its delegate */
	NSApplication *app = [NSApplication sharedApplication];
	NSMenu *bar = [[NSMenu alloc] init], *menu = [[NSMenu alloc] init];
	NSMenuItem *item = [[NSMenuItem alloc] init];

	[menu addItemWithTitle:@"Quit VFIOApple" action:@selector(terminate:) keyEquivalent:@"q"];
	item.submenu = menu;
	[bar addItem:item];
	app.mainMenu = bar;
	window = [[AppWindow alloc] init];
	app.delegate = window;
	[app run];
	return 0;
}
