using System;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using Microsoft.Extensions.Options;

namespace Aeronet.Transport;

/// <summary>Names every option that is out of range, with its value and range, in one go.</summary>
internal sealed class AeronetTransportOptionsValidator : IValidateOptions<AeronetTransportOptions>
{
    private const UnixFileMode UnixFileModeAll =
        UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute |
        UnixFileMode.GroupRead | UnixFileMode.GroupWrite | UnixFileMode.GroupExecute |
        UnixFileMode.OtherRead | UnixFileMode.OtherWrite | UnixFileMode.OtherExecute |
        UnixFileMode.SetUser | UnixFileMode.SetGroup | UnixFileMode.StickyBit;

    public const int ReadPerEventMax = 1 << 30;

    internal const int BacklogMax = 65_535;

    /// <summary>For options that come without a host, which would have validated them at start.</summary>
    /// <exception cref="OptionsValidationException">An option is out of range.</exception>
    public static AeronetTransportOptions Check(AeronetTransportOptions options)
    {
        ValidateOptionsResult result = new AeronetTransportOptionsValidator().Validate(null, options);
        return result.Failed ? throw new OptionsValidationException("", typeof(AeronetTransportOptions), result.Failures) : options;
    }

    public ValidateOptionsResult Validate(string? name, AeronetTransportOptions options)
    {
        List<string> faults = [];
        if (!Enum.IsDefined(options.Backend))
        {
            faults.Add(Text(nameof(options.Backend), (long)options.Backend, "Auto, Epoll or Sockets"));
        }
        Range(faults, nameof(options.IOThreadCount), options.IOThreadCount, 1, 1024);
        Range(faults, nameof(options.Backlog), options.Backlog, 1, BacklogMax);
        Range(faults, nameof(options.InitialReadSize), options.InitialReadSize, 512, 1 << 20);
        Range(faults, nameof(options.BodyReadSize), options.BodyReadSize, 512, 1 << 20);
        Range(faults, nameof(options.AcceptBatchSize), options.AcceptBatchSize, 1, 4096);
        Range(faults, nameof(options.MaxApplicationThreads), options.MaxApplicationThreads, 1, 32_767);
        if (options.HandOffTime < TimeSpan.FromMicroseconds(200) || options.HandOffTime > TimeSpan.FromSeconds(10))
        {
            faults.Add(string.Create(CultureInfo.InvariantCulture, $"{nameof(AeronetTransportOptions)}.{nameof(options.HandOffTime)} is {options.HandOffTime}; allowed: 00:00:00.0002000 to 00:00:10."));
        }
        if (options.MaxReadPerEvent != 0 && (options.MaxReadPerEvent < options.InitialReadSize || options.MaxReadPerEvent > ReadPerEventMax))
        {
            faults.Add(Text(nameof(options.MaxReadPerEvent), options.MaxReadPerEvent,
                string.Create(CultureInfo.InvariantCulture, $"0 (no limit) or from {nameof(options.InitialReadSize)} ({options.InitialReadSize}) to {ReadPerEventMax}")));
        }
        if (options.MaxWriteBufferSize is < 0)
        {
            faults.Add(Text(nameof(options.MaxWriteBufferSize), options.MaxWriteBufferSize.Value, "null (no limit) or 0 or more"));
        }
        if (options.MaxReadBufferSize is < 1)
        {
            faults.Add(Text(nameof(options.MaxReadBufferSize), options.MaxReadBufferSize.Value, "null (no limit) or 1 or more"));
        }
        if (options.PipeScheduling is not (PipeScheduling.Inline or PipeScheduling.ThreadPool))
        {
            faults.Add(Text(nameof(options.PipeScheduling), (long)options.PipeScheduling, "Inline or ThreadPool"));
        }
        if (options.UnixSocketMode is { } mode && (mode & ~UnixFileModeAll) != 0)
        {
            faults.Add(Text(nameof(options.UnixSocketMode), (long)mode, "null or permission bits (octal 0 to 7777)"));
        }
        return faults.Count == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(faults);
    }

    private static void Range(List<string> faults, string property, long value, long min, long max)
    {
        if (value < min || value > max)
        {
            faults.Add(Text(property, value, string.Create(CultureInfo.InvariantCulture, $"{min} to {max}")));
        }
    }

    private static string Text(string property, long value, string range) =>
        string.Create(CultureInfo.InvariantCulture, $"{nameof(AeronetTransportOptions)}.{property} is {value}; allowed: {range}.");
}
