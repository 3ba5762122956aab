// Signalbox
