using System;
using System.Threading;

namespace Aeronet.TestSupport.Kernel;

/// <summary>Runs something on a thread that is not the loop's, and waits for it.</summary>
public static class ForeignThread
{
    /// <summary>Runs the action on a new thread; what it throws is thrown here.</summary>
    public static void Run(Action action)
    {
        _ = Run(() =>
        {
            action();
            return true;
        });
    }

    /// <summary>Runs the function on a new thread; what it throws is thrown here.</summary>
    public static T Run<T>(Func<T> function)
    {
        T? result = default;
        Exception? failure = null;
        Thread thread = new(() =>
        {
            try
            {
                result = function();
            }
            catch (Exception exception)
            {
                failure = exception;
            }
        });
        thread.Start();
        thread.Join();
        return failure is null ? result! : throw new InvalidOperationException("The other thread failed.", failure);
    }
}
