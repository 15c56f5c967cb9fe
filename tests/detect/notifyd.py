"""A desktop's notification service, as the specification has it: notifyd.py LOG [ACTION]. Each call of Notify is a line of JSON in LOG;
ACTION, where it is offered, is pressed at once. LOG.ready is there when it can be called."""
import json
import sys

import dbus
import dbus.mainloop.glib
import dbus.service
from gi.repository import GLib

NAME, PATH = "org.freedesktop.Notifications", "/org/freedesktop/Notifications"
log, press = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else None


class Service(dbus.service.Object):
    n = 0

    @dbus.service.method(NAME, in_signature="susssasa{sv}i", out_signature="u")
    def Notify(self, app, replaces, icon, summary, body, actions, hints, timeout):
        Service.n += 1
        with open(log, "a") as f:
            f.write(json.dumps(dict(app=app, summary=summary, body=body, actions=list(actions), urgency=int(hints.get("urgency", 1)))) + "\n")
        if press in list(actions)[::2]:
            GLib.timeout_add(50, self.pressed, Service.n)
        return dbus.UInt32(Service.n)

    def pressed(self, n):
        self.ActionInvoked(n, press)
        self.NotificationClosed(n, 2)
        return False

    @dbus.service.method(NAME, in_signature="", out_signature="as")
    def GetCapabilities(self):
        return ["actions", "body", "body-markup"]

    @dbus.service.method(NAME, in_signature="", out_signature="ssss")
    def GetServerInformation(self):
        return "notifyd", "tests", "1", "1.2"

    @dbus.service.method(NAME, in_signature="u", out_signature="")
    def CloseNotification(self, n):
        self.NotificationClosed(n, 3)

    @dbus.service.signal(NAME, signature="us")
    def ActionInvoked(self, n, action):
        pass

    @dbus.service.signal(NAME, signature="uu")
    def NotificationClosed(self, n, reason):
        pass


dbus.mainloop.glib.DBusGMainLoop(set_as_default=True)
bus = dbus.SessionBus()
name = dbus.service.BusName(NAME, bus)
service = Service(bus, PATH)
open(log + ".ready", "w").close()
GLib.MainLoop().run()
