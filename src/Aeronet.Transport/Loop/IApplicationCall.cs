namespace Aeronet.Transport.Loop;

/// <summary>Application code that a protocol wants to run on its loop's thread, once the protocol's handler has returned.</summary>
internal interface IApplicationCall
{
    /// <summary>Runs the application's code. <see cref="LoopContext.IsCurrent"/> is false inside; another thread may take the loop's role meanwhile.</summary>
    void Run();

    /// <summary><see cref="Run"/> has returned and this thread still has the role.</summary>
    void OnReturned();

    /// <summary><see cref="Run"/> has returned and another thread is the loop now: finish as any foreign thread would.</summary>
    void OnReturnedElsewhere();

    /// <summary>Called on the new loop thread right after the take-over, while <see cref="Run"/> still blocks elsewhere.</summary>
    void OnTakenOver();
}
