using System;
using System.Diagnostics;
using System.Diagnostics.Metrics;
using System.Threading;
using System.Threading.Tasks;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Aeronet.Transport.Loop;

/// <summary>The loops of an application's services: started for the first endpoint or outgoing connection, ended when the last user has gone.</summary>
internal sealed class SharedLoops(IOptions<AeronetTransportOptions> options, ILoggerFactory loggerFactory, IMeterFactory? meterFactory = null)
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(1); // for connections whose application has let them go a moment ago

    private readonly Lock _lock = new();
    private EventLoopGroup? _group; // Non-null exactly while somebody uses it.
    private int _userCount;

    /// <summary>The running loops; each call needs its <see cref="ReleaseAsync"/>. Any thread.</summary>
    /// <exception cref="OptionsValidationException">Options that nobody has validated yet are out of range.</exception>
    /// <exception cref="System.IO.IOException">The process has no descriptors left.</exception>
    /// <exception cref="PlatformNotSupportedException">No epoll here.</exception>
    public EventLoopGroup Acquire()
    {
        lock (_lock)
        {
            _group ??= EventLoopGroup.Start(AeronetTransportOptionsValidator.Check(options.Value), loggerFactory, meterFactory);
            _userCount++;
            return _group;
        }
    }

    /// <summary>The last one lets the loops end, each as soon as it has no connection left. Waits for that only while none should be left.</summary>
    public async Task ReleaseAsync()
    {
        EventLoopGroup? group = null;
        lock (_lock)
        {
            Debug.Assert(_userCount > 0);
            if (--_userCount == 0)
            {
                (group, _group) = (_group, null);
            }
        }
        if (group is not null)
        {
            await group.StopAsync(Timeout.InfiniteTimeSpan).WaitAsync(s_patience).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }
}
