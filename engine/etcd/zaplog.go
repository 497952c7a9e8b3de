package etcd

import (
	"context"
	"log/slog"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// unremarkable are warnings of etcd's that say what its client is told as well, or that all is as we want it.
var unremarkable = map[string]bool{
	"failed to apply request":                                                                            true, // "user not found" when we ask whether there is one
	"Failed to detect schema version":                                                                    true, // at the first start
	"failed to update storage version":                                                                   true, // at the first start
	"setting up serving from embedded etcd failed.":                                                      true, // at every stop; before it, Serve returns the error
	"simple token is not cryptographically signed":                                                       true, // there are no tokens, only certificates
	"scheme is http or unix while key and cert files are present; ignoring key and cert files":           true,
	"scheme is http or unix while --client-cert-auth is enabled; ignoring client cert auth for this URL": true,
}

// zapTo makes the logger that etcd wants out of ours. Only warnings and worse pass.
func zapTo(log *slog.Logger) *zap.Logger {
	return zap.New(slogCore{log.Handler()})
}

// slogCore is a zapcore.Core that writes to a slog.Handler.
type slogCore struct{ handler slog.Handler }

func (c slogCore) Enabled(l zapcore.Level) bool {
	return l >= zapcore.WarnLevel && c.handler.Enabled(context.Background(), slogLevel(l))
}

func (c slogCore) With(fields []zapcore.Field) zapcore.Core {
	return slogCore{c.handler.WithAttrs(attrs(fields))}
}

func (c slogCore) Check(e zapcore.Entry, checked *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if c.Enabled(e.Level) && !unremarkable[e.Message] {
		return checked.AddCore(e, c)
	}
	return checked
}

func (c slogCore) Write(e zapcore.Entry, fields []zapcore.Field) error {
	record := slog.NewRecord(e.Time, slogLevel(e.Level), "etcd: "+e.Message, 0)
	record.AddAttrs(attrs(fields)...)
	return c.handler.Handle(context.Background(), record)
}

func (slogCore) Sync() error { return nil }

func attrs(fields []zapcore.Field) []slog.Attr {
	list := make([]slog.Attr, 0, len(fields))
	for _, f := range fields {
		one := zapcore.NewMapObjectEncoder()
		f.AddTo(one)
		for k, v := range one.Fields {
			list = append(list, slog.Any(k, v))
		}
	}
	return list
}

func slogLevel(l zapcore.Level) slog.Level {
	switch {
	case l >= zapcore.ErrorLevel:
		return slog.LevelError
	case l == zapcore.WarnLevel:
		return slog.LevelWarn
	case l == zapcore.InfoLevel:
		return slog.LevelInfo
	default:
		return slog.LevelDebug
	}
}
