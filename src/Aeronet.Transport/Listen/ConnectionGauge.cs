using System.Diagnostics;
using System.Threading;
using System.Threading.Tasks;

namespace Aeronet.Transport.Listen;

/// <summary>Number of open connections, and a task for the moment when none is left. Any thread.</summary>
internal sealed class ConnectionGauge
{
    private readonly Lock _lock = new();
    private int _count;
    private TaskCompletionSource? _whenZero; // Non-null exactly while somebody waits and the count is above zero.

    public int Count => Volatile.Read(ref _count);

    public void Increment()
    {
        lock (_lock)
        {
            _count++;
        }
    }

    public void Decrement()
    {
        TaskCompletionSource? waiters = null;
        lock (_lock)
        {
            Debug.Assert(_count > 0);
            if (--_count == 0)
            {
                waiters = _whenZero;
                _whenZero = null;
            }
        }
        waiters?.SetResult();
    }

    /// <summary>Completes when the count is zero, at once if it is.</summary>
    public Task WhenZeroAsync()
    {
        lock (_lock)
        {
            if (_count == 0)
            {
                return Task.CompletedTask;
            }
            // Continuations run elsewhere: the loop that closes the last connection must not run the stopping code.
            _whenZero ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            return _whenZero.Task;
        }
    }
}
